# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who runs this play: the controller's half of an app's lock.

An action runs in a fork of ansible-playbook. When that is killed, the fork runs on, with process 1 for a parent: so the parent is the
one that was written down at the fork, and where it has ended, nothing more is done in its name.
"""

from __future__ import annotations

import contextlib
import getpass
import multiprocessing
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail


def current() -> dict[str, Any]:
    """The owner of the locks this play takes; raises AnsibleActionFail where its ansible-playbook has ended."""
    pid = _controller()
    token = f"{_machine()}/{pid}/{_started(pid)}"
    require()  # after its start was read: a process that has ended has none
    return {"token": token, "name": f"{_user()}@{platform.node()}"}


def require() -> None:
    """Go on only while the ansible-playbook runs that this was forked from; raises AnsibleActionFail where it has ended."""
    pid = _controller()
    if pid not in (os.getpid(), os.getppid()):
        raise AnsibleActionFail(
            f"ansible-playbook (process {pid}) has ended, so this stops too; run it again, and it takes over from here"
        )


def _controller() -> int:
    parent = multiprocessing.parent_process()
    return (parent and parent.pid) or os.getpid()


def dead(holder: dict[str, Any] | None) -> str | None:
    """The holder's token if it was a process of this machine that does not run any more; else None."""
    if not holder:
        return None
    machine, pid, started = holder["token"].rsplit("/", 2)
    return holder["token"] if machine == _machine() and _started(int(pid)) != started else None


def _machine() -> str:
    """This boot of this machine and, since each container counts its own processes, its process namespace."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{os.readlink('/proc/self/ns/pid')}"
    return platform.node()


def _started(pid: int) -> str:
    """When a process started; empty if it does not run. A number is given again, a number with its start is not."""
    if Path("/proc/self/stat").exists():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return "" if fields[0] == "Z" else fields[19]
        return ""
    asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return " ".join(asked.stdout.split())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return str(os.getuid())
