# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments as logs write them, in ISO 8601: nginx with a colon in the offset from UTC, uWSGI without."""

from __future__ import annotations

import calendar
import re
import time

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d"
PARTS = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([+-])(\d\d):?(\d\d)")


def seconds(stamp: str) -> float | None:
    """The moment that a stamp names, in seconds since the epoch; None where there is no such moment."""
    found = PARTS.match(stamp)
    if found is None:
        return None
    written, sign, hours, minutes = found.groups()
    try:
        moment = calendar.timegm(time.strptime(written, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:  # the 31st of February
        return None
    return moment - (1 if sign == "+" else -1) * (int(hours) * 3600 + int(minutes) * 60)
