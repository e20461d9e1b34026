# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host has room for a second vassal: disk for code and packages, memory beside the live one. Asked before anything is made."""

from __future__ import annotations

import os
import re

from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal

MIB = 1024 * 1024
SPARE = 64 * MIB  # bytes of the disk that a release leaves free, for logs and everything else


def check_disk(folder: str, needed: int) -> None:
    """Raise Refusal unless the disk of ``folder`` has this many bytes beside the spare ones."""
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    if free < needed + SPARE:
        raise Refusal(
            f"the disk of {folder} has {free // MIB} MiB left and the release needs {(needed + SPARE) // MIB} MiB; "
            "make room, or lower keep_releases"
        )


def check_memory(needed: int, meminfo: str = "/proc/meminfo") -> None:
    """Raise Refusal unless this many bytes of memory can be had, swap included."""
    with open(meminfo, encoding="ascii") as stream:
        kilobytes = dict(re.findall(r"^(\w+):\s+(\d+)", stream.read(), re.MULTILINE))
    free = (int(kilobytes["MemAvailable"]) + int(kilobytes["SwapFree"])) * 1024
    if free < needed:
        raise Refusal(
            f"the host has {free // MIB} MiB of memory left and a second vassal beside the live one takes {needed // MIB} MiB; "
            "lower processes, or give the host more"
        )


def size(top: str) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _, files in os.walk(top) for name in files)


def resident(pids: list[int]) -> int:
    """Bytes of memory that processes have for themselves or share, each part counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
                found = re.search(r"^Pss:\s+(\d+)", stream.read(), re.MULTILINE)
        except OSError:  # it has just ended
            continue
        total += int(found.group(1)) * 1024 if found else 0
    return total
