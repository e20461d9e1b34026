# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of files on the controller that the inventory names and that are not there."""

from __future__ import annotations

from pathlib import Path

FROM = "a relative path starts from the inventory's folder"


def missing(path: str | Path, thing: str = "file") -> str:
    """The sentence for a path; ``thing`` is what was expected there."""
    return f"there is no {thing} {path}; {FROM}"
