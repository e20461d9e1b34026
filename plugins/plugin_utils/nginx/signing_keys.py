# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys a package repository is signed with: fetched to the controller, and only the pinned ones handed on."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

from ansible.module_utils.urls import open_url
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.nginx import openpgp
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import default_cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.missing import FROM

FRESH = 24 * 3600  # seconds for which a fetched file is not fetched again, by whatever host or run
TIMEOUT = 20  # seconds

display = Display()


def malformed(fingerprints: list[str]) -> list[str]:
    """Those that are no fingerprints of version 4 keys."""
    return [one for one in fingerprints if not openpgp.FINGERPRINT.fullmatch(openpgp.normalized(one))]


def pinned(source: str, fingerprints: list[str], base: Path) -> str:
    """The pinned keys of a URL or a file (relative to ``base``), in armor. Raises Refusal when there is none."""
    if "://" not in source:
        return _select(_read(base / Path(source).expanduser()), fingerprints, source)
    kept = _kept(source)
    if kept.exists() and time.time() - kept.stat().st_mtime < FRESH:
        try:
            return _select(kept.read_bytes(), fingerprints, source)
        except Refusal:
            pass  # the fingerprints or the keys have changed since
    try:
        data = open_url(source, timeout=TIMEOUT, http_agent="emperor.flask").read()
    except Exception as error:  # open_url passes on whatever urllib, ssl and http raise
        if not kept.exists():
            raise Refusal(
                f"nginx_signing_key_url: {source} cannot be fetched by the controller: {error}. Correct the URL, name a mirror or a file, "
                "or set nginx_origin to 'distribution'"
            ) from error
        display.warning(f"{source} cannot be fetched ({error}); using the copy of it in {kept}")
        return _select(kept.read_bytes(), fingerprints, source)
    keys = _select(data, fingerprints, source)
    _keep(kept, data)
    return keys


def _kept(url: str) -> Path:
    return Path(default_cache(), f"signing-key-{hashlib.sha256(url.encode()).hexdigest()[:16]}")


def _keep(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal(f"nginx_signing_key_url: {error}; {FROM}") from error


def _select(data: bytes, fingerprints: list[str], source: str) -> str:
    try:
        keys, found = openpgp.select(data, fingerprints)
    except openpgp.NotOpenPGP as error:
        raise Refusal(
            f"nginx_signing_key_url: {source} is not a file of OpenPGP keys: {error}; correct the URL"
        ) from error
    if not keys:
        wanted = ", ".join(map(openpgp.normalized, fingerprints))
        raise Refusal(
            f"nginx_signing_keys: none of the wanted keys is in {source}.\nWanted: {wanted}\nFound: {', '.join(found)}\n"
            "Do not trust a key because it is there: compare it with what nginx.org publishes, then correct nginx_signing_keys or the URL"
        )
    return openpgp.armored(keys)
