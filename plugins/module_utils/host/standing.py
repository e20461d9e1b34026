# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sets of configuration files that stand as they were applied, so that one look at a host answers for all of them.

What was applied is noted by its digest, beside what a run that asked anew would look at: the files as they were left, the check and the
service. A set of which anything is otherwise, or whose check warns, does not stand, and is asked about as ever.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host import fingerprints, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import WARNED, CommandFailed, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    ensure_file,
    names_in,
    remove,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE, Record

FOLDER = "applied"  # in the folder of the records


def digest(request: dict[str, Any]) -> str:
    """The digest of what is asked of a set.

    Empty where that is never noted: a secret's digest could be guessed at, and what is put aside is somebody else's.
    """
    if request.get("aside") or any(file.get("sensitive") for file in request.get("files", [])):
        return ""
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


def note(request: dict[str, Any], asked: str, state: str = STATE) -> None:
    """Note that a request stands, whose digest is ``asked``; an empty one is forgotten."""
    path = os.path.join(state, FOLDER, f"{request['set']}.json")
    if not asked:
        remove(path)
        return
    paths = [*(item["path"] for item in [*request["directories"], *request["files"]]), *request["absent"]]
    noted = {
        "asked": asked,
        "left": _left(paths),
        "check": request["check"],
        "service": request["service"],
    }
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
    ensure_file(path, json.dumps(noted, indent=2).encode(), Access(0o644))


def standing(state: str = STATE) -> dict[str, str]:
    """The digests of what was asked of the sets that stand, by their names."""
    folder = os.path.join(state, FOLDER)
    noted = {os.path.splitext(name)[0]: _read(os.path.join(folder, name)) for name in names_in(folder)}
    services = systemd.states({note["service"] for note in noted.values() if note["service"]})
    return {
        name: note["asked"]
        for name, note in noted.items()
        if not Record.load(name, state).pending
        and (not note["service"] or services[note["service"]].is_ready)
        and isinstance(note["left"], dict)  # not as earlier versions noted it
        and _left(note["left"]) == note["left"]
        and _passes(note["check"])
    }


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as stream:
        noted: dict[str, Any] = json.load(stream)
    return noted


def _left(paths: Iterable[str]) -> dict[str, Any]:
    return {path: fingerprints.of(path) for path in paths}


def _passes(check: list[str]) -> bool:
    """Tell whether a check accepts the configuration without a warning."""
    try:
        return not check or not WARNED.search(run(check))
    except CommandFailed:
        return False
