# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an app can sleep while nobody asks it, and after how long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

App = dict[str, Any]

SPAN = re.compile(r"([0-9]{1,9})([smh]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
LEAST = 10  # seconds: below that an app would fall asleep between two clicks
# Options of uWSGI by which other workers run than those that fall asleep together, or a master kills them itself.
OPTIONS = ("idle", "cheap", "die-on-idle", "cheaper")


def seconds(span: str) -> int:
    """Seconds of a span such as 15m or 900; 0 where it is malformed."""
    found = SPAN.fullmatch(span)
    return int(found.group(1)) * UNITS[found.group(2)] if found else 0


def mistakes(app: App) -> Iterator[str]:
    """What keeps an app from sleeping."""
    span = app["idle"]
    if not SPAN.fullmatch(span) or 0 < seconds(span) < LEAST:
        yield f"idle is '{span}'; write seconds, or a number with s, m or h, such as 15m, at least {LEAST} seconds; 0 keeps the app awake"
    if not seconds(span):
        return
    if app["preload"]:
        yield f"idle is {span}, but preload is true: what is imported once stays in memory while the app sleeps; remove preload, or say idle: 0"
    for option in OPTIONS:
        if option in app["vassal_extra"]:
            yield f"idle is {span}, but vassal_extra has '{option}', which starts and ends workers in its own way; remove one of them"
