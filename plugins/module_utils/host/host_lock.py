# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One change at a time of what is the host's and no app's alone: nginx's configuration and its reload, units, accounts.

flock(2) on a file, held by the process that changes; it ends with it. take-certificates, which certbot runs, holds it too.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

PATH = "/var/lib/emperor-flask/host.lock"
PATIENCE = 300  # seconds: an installation of nginx may hold it
INTERVAL = 0.1  # seconds between two tries


class _Held(threading.local):
    """The descriptor, once for each time that this thread holds the lock: flock(2) keeps threads with descriptors of their own apart."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []


_held = _Held()


@contextlib.contextmanager
def host_lock() -> Iterator[None]:
    """Hold the lock; a thread that holds it already goes on. Raise Refusal with the holder where it is not let go for PATIENCE seconds."""
    held = _held.descriptors
    held.append(held[-1] if held else _take())
    try:
        yield
    finally:
        descriptor = held.pop()
        if not held:
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
