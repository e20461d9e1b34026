# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller and the host both know of a release: what it is made of, its manifest's schema, and how they compare secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any

SCHEMA = 2  # of a release's manifest


@dataclass(frozen=True)
class Release:
    """A release as the controller has rendered it. ``identity`` is its id; secrets are not part of it.

    ``source``, ``code`` (the source as it is served), ``venv`` and ``static`` (empty where nginx serves none of its files) are digests,
    ``packages`` has the fields of Packages, ``packaged`` says that the app itself is one of them, ``instances`` are the shared paths
    that lie in its virtual environment, ``background`` is the text of its workers and timers (empty where it has none).
    """

    identity: str
    source: str
    code: str
    venv: str
    packages: dict[str, Any]
    env: str
    uwsgi_ini: str
    nginx_conf: str
    manifest: dict[str, Any]
    static: str = ""
    packaged: bool = False
    instances: list[str] = field(default_factory=list)
    background: str = ""


def hook_key(code: str, env: str, commands: list[str]) -> str:
    """What hooks before the switch are run for: these commands, on this code, with this environment. Equal on hosts of all kinds."""
    return hashlib.sha256(json.dumps([code, env, commands]).encode()).hexdigest()


def keyed_digest(salt: str, text: str) -> str:
    """HMAC-SHA-256 of secrets, so that host and controller can compare them without sending them."""
    return hmac.new(bytes.fromhex(salt), text.encode(), hashlib.sha256).hexdigest()
