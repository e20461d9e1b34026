# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code from an archive: a file on the controller, or a URL with the checksum of what must be there."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import cast
from urllib.error import URLError

from ansible.module_utils.urls import ConnectionError as NoConnection
from ansible.module_utils.urls import open_url
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.git import public
from ansible_collections.emperor.flask.plugins.plugin_utils.source.unpacking import unpack

CHECKSUM = re.compile(r"sha256:([0-9a-f]{64})")
TIMEOUT = 60  # seconds without an answer from the server


def is_url(location: str) -> bool:
    """Tell a URL from a path on the controller."""
    return location.startswith(("http://", "https://"))


def unpacked(location: str, checksum: str | None, cache: Cache) -> tuple[str, Path]:
    """The archive's SHA-256, and a folder with its files. What was unpacked once is neither fetched nor unpacked again."""
    wanted = cast("re.Match[str]", CHECKSUM.fullmatch(checksum)).group(1) if checksum else None
    if not is_url(location):
        return _unpack(Path(location), location, wanted, cache)
    if wanted and (known := cache.known_tree(wanted)):
        return wanted, known
    with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
        file = Path(scratch, "archive")
        _download(location, file)
        return _unpack(file, public(location), wanted, cache)


def _unpack(file: Path, label: str, wanted: str | None, cache: Cache) -> tuple[str, Path]:
    actual = sha256(file)
    if wanted and actual != wanted:
        raise Refusal(
            f"source.checksum: {label} has the checksum sha256:{actual}, but source.checksum says sha256:{wanted}; "
            "find out which is right before you correct it"
        )
    return actual, cache.tree(actual, lambda folder: unpack(file, folder, f"source.archive: {label}", strip=True))


def _download(url: str, file: Path) -> None:
    try:
        with open_url(url, timeout=TIMEOUT) as answer, open(file, "wb") as stream:
            shutil.copyfileobj(answer, stream)
    except (OSError, URLError, NoConnection, ValueError) as error:
        raise Refusal(
            f"source.archive: {public(url)} cannot be fetched by the controller: {public(str(error))}"
        ) from error
