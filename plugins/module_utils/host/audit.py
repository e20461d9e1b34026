# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who did what to which app: a line of JSON for each release, rollback, restart, rename, maintenance, removal and command.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing of ours.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

FILE = "/var/log/emperor-flask/audit.log"
MODE = 0o640


def note(app: str, what: str, by: str, file: str = FILE, **more: str) -> None:
    """Append a line: ``by`` is the account and the machine of the person. Raises OSError where it cannot be written."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = json.dumps({"time": when, "app": app, "what": what, "by": by, **more}) + "\n"
    os.makedirs(os.path.dirname(file), 0o750, exist_ok=True)
    # One write at the end of the file: lines of two runs do not mix.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, MODE)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def lines(file: str = FILE) -> Iterator[dict[str, Any]]:
    """What was noted, the oldest first, before and since the last rotation; a line that a full disk has cut is left out."""
    for path in filter(os.path.exists, (f"{file}.1", file)):
        with open(path, encoding="utf-8", errors="replace") as stream:
            texts = stream.readlines()
        for text in texts:
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict):
                yield line


def deployed(file: str = FILE) -> dict[str, dict[str, str]]:
    """By app, who deployed each release, or went back to it, last."""
    return {app: {name: line["by"] for name, line in of_app.items()} for app, of_app in deployments(file).items()}


def deployments(file: str = FILE) -> dict[str, dict[str, dict[str, str]]]:
    """By app, what was noted of each release when it was deployed, or gone back to, last."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for line in lines(file):
        if line.get("what") in ("release", "rollback"):
            found.setdefault(line["app"], {})[str(line.get("release"))] = line
    return found
