# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host's files and processes tell that no app's row does: files that are not as a role left them, and programs that an upgrade has replaced.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter

from . import fingerprints
from .reading import head

APPLIED = "/var/lib/emperor-flask/applied"  # a note for each set of files, see standing.py
PROCESSES, MOST = 4, 2**18  # of a unit that are looked at, and bytes that are read of each one's mappings
UNIT = re.compile(r"/(nginx|uwsgi-emperor@([a-z][a-z0-9_-]*))\.service(?:/|$)", re.MULTILINE)
# A program's or library's mapping whose file is gone. What an app maps of its own is not there.
REPLACED = re.compile(r"^\S+ ..x\S* \S+ \S+ \S+ +(/(?:usr|lib|lib64|opt/uwsgi)/\S+) \(deleted\)$", re.MULTILINE)


def drifted(applied: str = APPLIED) -> dict[str, list[str]]:
    """By set, the paths that are not as its role has left them."""
    found = {}
    for name in sorted(os.listdir(applied)) if os.path.isdir(applied) else []:
        with open(os.path.join(applied, name), encoding="utf-8") as stream:
            left = json.load(stream)["left"]
        if isinstance(left, dict):  # what earlier versions noted names no path
            found[os.path.splitext(name)[0]] = [path for path, was in left.items() if fingerprints.of(path) != was]
    return {name: paths for name, paths in found.items() if paths}


def outdated(proc: str = "/proc") -> dict[str, str]:
    """By unit, of nginx and the Emperors, a program or library that it still runs although another has taken its place.

    Of each unit only the first processes are looked at, and of each process the first mappings: an app can have very many of both.
    """
    found: dict[str, str] = {}
    looked: Counter[str] = Counter()
    for pid in sorted(map(int, filter(str.isdigit, os.listdir(proc)))):
        unit = UNIT.search(_text(f"{proc}/{pid}/cgroup"))
        if unit and unit.group(1) not in found and looked[unit.group(1)] < PROCESSES:
            looked[unit.group(1)] += 1
            if replaced := REPLACED.search(_text(f"{proc}/{pid}/maps")):
                found[unit.group(1)] = os.path.basename(replaced.group(1))
    return dict(sorted(found.items()))


def _text(path: str) -> str:
    return head(path, MOST).decode(errors="replace")
