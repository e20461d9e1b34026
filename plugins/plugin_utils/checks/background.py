# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an app's workers and timers."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

App = dict[str, Any]

NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
LEAST = {"processes": 1, "stop_timeout": 1, "check": 0, "timeout": 1, "jitter": 0}
MOST = {"processes": 100, "stop_timeout": 86400, "check": 600, "timeout": 604800, "jitter": 86400}
UNITS = {key: "" if key == "processes" else " seconds" for key in LEAST}


def mistakes(app: App) -> Iterator[str]:
    """Sentences that name the worker or timer, the value and the remedy."""
    for kind in ("workers", "timers"):
        for name, count in Counter(item["name"] for item in app[kind]).items():
            if count > 1:
                yield f"{kind} has '{name}' {count} times; give each a name of its own"
        for item in app[kind]:
            for mistake in _of(item):
                yield f"{kind} '{item['name']}': {mistake}"


def _of(item: dict[str, Any]) -> Iterator[str]:
    if not NAME.fullmatch(item["name"]):
        yield "its name must be a small letter followed by at most 30 small letters, digits, '_' or '-'; it is part of a unit's name"
    if not item["command"].strip():
        yield "its command is empty; write the program that it runs"
    elif set(item["command"]) & {"\n", "\r", "\0"}:
        yield "its command has more than one line; write it in one, or put it into a script of the app's"
    if set(item.get("check_command", "")) & {"\n", "\r", "\0"}:
        yield "its check_command has more than one line; write it in one, or put it into a script of the app's"
    for key in LEAST.keys() & item.keys():
        if isinstance(item[key], bool) or not LEAST[key] <= item[key] <= MOST[key]:
            yield f"{key} is {item[key]}; it must be a number from {LEAST[key]} to {MOST[key]}{UNITS[key]}"
    if "schedule" in item and (said := unparsed(item["schedule"])):
        yield f"schedule '{item['schedule']}' is not a time that systemd knows ({said}); write one such as *-*-* 06:00, see systemd.time(7)"


def unparsed(schedule: str) -> str:
    """What systemd says against a schedule; nothing where it takes it, or where the controller has no systemd: then the host is asked."""
    if not schedule.strip() or schedule.startswith("-"):
        return "there is none"
    program = shutil.which("systemd-analyze")
    if program is None:
        return ""
    asked = subprocess.run([program, "calendar", schedule], capture_output=True, text=True, check=False)
    return asked.stderr.strip().splitlines()[0] if asked.returncode and asked.stderr.strip() else ""
