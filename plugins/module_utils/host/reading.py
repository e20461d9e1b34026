# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read files: their first bytes, or the digest of all of them."""

from __future__ import annotations

import hashlib
import os


def head(path: str, size: int) -> bytes:
    """The first bytes of a file of the kernel's, or of root's; none where it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return stream.read(size)
    except (OSError, ValueError):  # ValueError: a NUL byte in the path
        return b""


def sha256(path: str | os.PathLike[str]) -> str:
    """A file's SHA-256, in hexadecimal, read in pieces."""
    total = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            total.update(piece)
    return total.hexdigest()
