# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which apps of a host are becoming others (``renamed_from``): noted before anything is changed, and gone with the old name."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    names_in,
    remove,
    replace_file,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE

FILE = "becomes"  # in the folder of what root remembers of the old app
APPS = os.path.join(STATE, "apps")


@dataclass(frozen=True)
class Succession:
    """``name`` is the new one, ``closed`` whether the old app was closed for maintenance, ``taken`` whether its stop has begun."""

    name: str
    closed: bool
    taken: bool = False


def of(old: Layout) -> Succession | None:
    """What an app is becoming; None for most."""
    return _read(_file(old))


def note(old: Layout, succession: Succession) -> None:
    """Write down what an app is becoming."""
    os.makedirs(old.state, 0o700, exist_ok=True)
    replace_file(_file(old), json.dumps(asdict(succession)).encode(), Access(0o600))


def forget(old: Layout) -> None:
    """The app stays what it is."""
    remove(_file(old))


def known(apps: str = APPS) -> dict[str, dict[str, object]]:
    """What the apps of this host are becoming, by their old names."""
    found = {name: _read(os.path.join(apps, name, FILE)) for name in names_in(apps)}
    return {name: asdict(succession) for name, succession in found.items() if succession}


def _file(old: Layout) -> str:
    return os.path.join(old.state, FILE)


def _read(path: str) -> Succession | None:
    content = Snapshot.take(path).content
    return Succession(**json.loads(content)) if content else None
