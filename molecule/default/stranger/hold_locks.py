"""Hold the locks that apt and dpkg take, for 15 seconds."""

import fcntl
import time

LOCKS = ("/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock")
held = [open(lock, "a") for lock in LOCKS]  # noqa: SIM115 (they stay open until the end)
for lock in held:
    fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(15)
