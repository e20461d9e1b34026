# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What nginx has answered lately, counted from its log.

Clients put into it what they like: only a line feed ends a line, and what is no entry counts for nobody.
The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re

from . import moments

LOG = "/var/log/nginx/access.log"
LEAST_LOG, MOST_LOG = 2**20, 2**25  # bytes of its end that are read, at first and at most
TIME = re.compile(r'^\{"time":"([^"]+)"')

Count = tuple[int, int]  # requests, and those of them that were answered with 5xx


def by_app(since: float) -> dict[str, Count] | None:
    """By app, the requests since a moment (seconds since the epoch); None where that is more of the log than is read."""
    counted: dict[str, Count] = {}
    lines = _lines(since)
    for line in reversed(lines or []):
        if _before(line, since):
            break
        _count(line, counted)
    return None if lines is None else counted


class Following:
    """Counts the requests from now on, however many: each look reads what has come since the one before. The log may be rotated meanwhile."""

    def __init__(self) -> None:
        self._counted: dict[str, Count] = {}
        self._file, self._at = 0, 0  # inode, and bytes of it that were read
        with contextlib.suppress(OSError):
            status = os.stat(LOG)
            self._file, self._at = status.st_ino, status.st_size

    def look(self) -> dict[str, Count]:
        """By app, all requests since the beginning."""
        with contextlib.suppress(OSError), open(LOG, "rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_ino != self._file or status.st_size < self._at:
                self._file, self._at = status.st_ino, 0
            while True:
                stream.seek(self._at)
                read = stream.read(LEAST_LOG)
                whole = read.rfind(b"\n") + 1  # the last line may be half written
                if not whole:
                    break
                self._at += whole
                for line in read[:whole].decode(errors="replace").split("\n"):
                    _count(line, self._counted)
        return self._counted


def _count(line: str, counted: dict[str, Count]) -> None:
    with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
        entry = json.loads(line)
        requests, errors = counted.get(entry["app"], (0, 0))
        counted[entry["app"]] = (requests + 1, errors + (500 <= entry["status"] < 600))


def _lines(since: float) -> list[str] | None:
    """The end of the log, from a moment before ``since`` on; None where that is more than is read."""
    size = LEAST_LOG
    try:
        with open(LOG, "rb") as stream:
            end = os.fstat(stream.fileno()).st_size
            while True:
                stream.seek(max(0, end - size))
                lines = stream.read(size).decode(errors="replace").split("\n")[1 if end > size else 0 :]
                if size >= end or any(_before(line, since) for line in lines[:1]):
                    return lines
                if size >= MOST_LOG:
                    return None
                size = min(4 * size, MOST_LOG)
    except OSError:
        return []


def _before(line: str, since: float) -> bool:
    """Tell whether a line is from before a moment."""
    found = TIME.match(line)
    moment = moments.seconds(found.group(1)) if found else None
    return moment is not None and moment < since
