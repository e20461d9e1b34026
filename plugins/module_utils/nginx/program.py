# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The nginx that runs: its master, and how an installed program takes over from it."""

from __future__ import annotations

import os
import signal
import time

PID_FILE = "/run/nginx.pid"
PATIENCE = 10  # seconds a new master may take


def master() -> int | None:
    """The process id of nginx's master, if it runs."""
    try:
        with open(PID_FILE, encoding="ascii") as stream:
            pid = int(stream.read())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def is_outdated() -> bool:
    """Tell whether nginx runs a program that is no longer the installed one."""
    try:
        return os.readlink(f"/proc/{master()}/exe").endswith(" (deleted)")
    except OSError:
        return False


def hand_over() -> bool:
    """Let the installed program take the listening sockets over from the one that runs; tell whether it did.

    nginx's own way (https://nginx.org/en/docs/control.html#upgrade): no connection is refused. systemd learns the new master
    from the PID file when the old one ends.
    """
    old = master()
    if old is None:
        return False
    os.kill(old, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while (new := master()) in (None, old) or not _workers(new):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    os.kill(old, signal.SIGQUIT)
    return True


def _workers(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
