# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands at a path, so that it can be told later whether that has changed.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing of ours.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from .reading import sha256


def of(path: str) -> list[Any]:
    """Kind, access, owner and content of what is there, but for what a folder holds; empty where there is nothing."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return []
    held = os.readlink(path) if stat.S_ISLNK(status.st_mode) else sha256(path) if stat.S_ISREG(status.st_mode) else ""
    return [status.st_mode, status.st_uid, status.st_gid, held]
