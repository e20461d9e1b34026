# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Begin an app's processes anew, with the release and the secrets that they have: the web's first, then its workers.

Requests under way are finished, and new ones wait while the app is imported: none is lost. A release or a rollback keeps nobody waiting.
The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
"""

from __future__ import annotations

import os
import subprocess
import time

from . import app_status, box, cgroup
from .reading import head

PATIENCE = 75  # seconds until the old processes are gone: more than emperor.ini's reload-mercy
INTERVAL = 0.2  # seconds between two looks


class NotRestarted(Exception):
    """The text says what does not begin anew, and what to do."""


def web(app: str) -> tuple[str, list[int]]:
    """Let the live vassal begin anew, as its Emperor does where its ini was touched.

    Return its name once its old workers have ended, and the processes that have not within PATIENCE: a program that the app started in its master stays.
    """
    try:
        live = os.path.basename(os.readlink(f"{app_status.HOMES}/{app}/{app}_uwsgi.sock")).removesuffix(".sock")
        before = _workers(app)
        os.utime(f"{app_status.APPS}/{app}/{live}.ini")
    except FileNotFoundError:
        raise NotRestarted(f"'{app}' has no release that serves; release it with emperor.flask.deploy") from None
    deadline = time.monotonic() + PATIENCE
    while (left := before & _workers(app)) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    return live, sorted(left)


def workers(app: str) -> list[str]:
    """Restart the units of its workers, each of which finishes its jobs first; return their names."""
    units = [unit for unit in app_status.linked() if unit.startswith(f"emperor-worker-{box.escaped(app)}-")]
    if units and subprocess.run(["systemctl", "restart", *units], check=False).returncode:
        raise NotRestarted(f"not all workers of '{app}' run: sudo flask-app {app}")
    return units


def _workers(app: str) -> set[int]:
    """The processes that an Emperor's vassals have started: all but the Emperor and its children."""
    pids = set(cgroup.processes_of(f"uwsgi-emperor@{app}.service"))
    return {pid for pid in pids if (parent := _parent(pid)) in pids and _parent(parent) in pids}


def _parent(pid: int) -> int:
    """The process that has started one; 0 where it has just ended."""
    fields = head(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0
