# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which processes are a unit's, and how often the kernel killed one of them for memory: read from control groups.

A process may call itself anything, and anything may stand in a list of sockets; its control group only root changes (the sandbox of
every app has ProtectControlGroups). cgroup v1, hybrid and v2 are read alike.
"""

from __future__ import annotations

import os
import re

from .reading import head

SYSTEMD = ("name=systemd", "")  # the hierarchies in which systemd keeps units: that of v1, and the one of v2
OOM_KILL = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
MAX_FILE = 64 * 1024  # bytes that are read of a file of the kernel's


def processes_of(unit: str, proc: str = "/proc") -> list[int]:
    """The process ids of a system's unit, in order, with those in groups below its own.

    A unit of that name that a user's own systemd or a container runs is another one.
    """
    tops = {name: path.removesuffix("/init.scope").rstrip("/") for name, path in _groups("1", proc).items()}
    found = []
    for pid in filter(str.isdigit, os.listdir(proc)):
        groups = _groups(pid, proc)
        if any(_is_in(unit, groups.get(name, ""), tops.get(name, "")) for name in SYSTEMD):
            found.append(int(pid))
    return sorted(found)


def memory_groups(pid: int, proc: str = "/proc", root: str = "/sys/fs/cgroup") -> tuple[str, ...]:
    """The folders in which the memory of a process's group is accounted for: the unit's, and that of its app's slice; none where the process is gone."""
    groups = _groups(str(pid), proc)
    old = [path for names, path in groups.items() if "memory" in names.split(",")]
    path = old[0] if old else groups.get("")
    if not path:
        return ()
    own = os.path.join(root, "memory" if old else "", path.strip("/"))
    above = os.path.dirname(own)
    of_app = os.path.basename(above).startswith("emperor-") and above.endswith(".slice")
    return (own, above) if of_app else (own,)


def oom_kills(groups: tuple[str, ...]) -> int:
    """How often the kernel killed a process of these groups for memory, by the group that counted most; 0 where that cannot be read.

    A group that was made anew, because its unit was restarted, counts from 0, while its slice's goes on.
    """
    counts = [0]
    for group in groups:
        for name in ("memory.events", "memory.oom_control"):  # v2, v1
            found = OOM_KILL.search(head(os.path.join(group, name), MAX_FILE))
            counts.append(int(found.group(1)) if found else 0)
    return max(counts)


def is_stopped(pid: int, proc: str = "/proc") -> bool:
    """Tell whether a process is stopped, by a signal or a debugger."""
    return head(os.path.join(proc, str(pid), "stat"), MAX_FILE).rpartition(b")")[2].split()[:1] in ([b"T"], [b"t"])


def _is_in(unit: str, path: str, top: str) -> bool:
    """Tell whether a group's path leads, over slices only, from the top of this systemd's groups to the unit."""
    if not path.startswith(f"{top}/"):
        return False
    parts = path[len(top) + 1 :].split("/")
    while parts and parts[0].endswith(".slice"):
        parts.pop(0)
    return parts[:1] == [unit]


def _groups(pid: str, proc: str) -> dict[str, str]:
    """The paths of a process's groups by the names of their controllers; none where it has just ended."""
    lines = head(os.path.join(proc, pid, "cgroup"), MAX_FILE).decode(errors="replace").split("\n")
    parts = [line.split(":", 2) for line in lines]
    return {names: path for _unused, names, path in (part for part in parts if len(part) == 3)}
