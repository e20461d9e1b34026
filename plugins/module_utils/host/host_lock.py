# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change at a time of what is the host's and no app's alone: nginx's configuration and its reload, units, accounts.

flock(2) on a file, held by the process that changes; it ends with it. take-certificates, which certbot runs, holds it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

PATH = "/var/lib/emperor-flask/host.lock"
PATIENCE = 300  # seconds: an installation of nginx may hold it
INTERVAL = 0.1  # seconds between two tries

_held: list[int] = []  # the descriptor, once for each time that this process holds it


@contextlib.contextmanager
def host_lock() -> Iterator[None]:
    """Hold the lock; a process that holds it already goes on. Raise Refusal with the holder where it is not let go for PATIENCE seconds."""
    _held.append(_held[-1] if _held else _take())
    try:
        yield
    finally:
        descriptor = _held.pop()
        if not _held:
            os.close(descriptor)


def _take() -> int:
    os.makedirs(os.path.dirname(PATH), 0o755, exist_ok=True)
    descriptor = os.open(PATH, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 100, 0).decode(errors="replace").strip()
                os.close(descriptor)
                raise Refusal(
                    f"process {holder or 'of another program'} has been changing this host for {PATIENCE} seconds ({PATH}); wait until it "
                    "has ended and run again"
                ) from None
            time.sleep(INTERVAL)
            continue
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor
