# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release has otherwise than the live one, in the inventory's words: a plan says why an app would be released."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.background import definitions

Manifest = dict[str, Any]
Files = dict[str, str]  # the texts of a release's folder, by their names

# Of a manifest. What has digests in its paths differs with these, and is compared without them.
PARTS = {
    "code": "code",
    "venv": "packages",
    "python": "Python",
    "uwsgi": "uWSGI",
    "module": "module",
    "hooks": "hooks",
    "shared": "shared",
    "static": "static",
    "timeouts": "timeouts",
    "limits": "limits",
}
HEALTH = ("path", "status", "timeout")  # its host and scheme are nginx.conf's
EXPORT = re.compile(r"^export (\w+)='((?:[^']|'\\'')*)'$", re.MULTILINE)  # shell_exports writes it


def parts(before: Manifest, now: Manifest, old: Files, new: Files) -> list[str]:
    """The parts that differ between two releases, by their manifests and files; of the environment the names alone."""
    health = [[made_of["health"].get(key) for key in HEALTH] for made_of in (before, now)]
    names = _names(old.get("env", ""), new.get("env", ""))
    ini = old.get("uwsgi.ini", "")
    for key in ("code", "venv"):
        ini = ini.replace(before[key], now[key])
    lists = [definitions.parsed(files.get(definitions.FILE, "")) for files in (old, new)]
    return [
        *(part for key, part in PARTS.items() if before.get(key) != now.get(key)),
        *([f"env ({', '.join(names)})"] if names else []),
        *(["health"] if health[0] != health[1] else []),
        *(["workers"] if lists[0].workers != lists[1].workers else []),
        *(["timers"] if lists[0].timers != lists[1].timers else []),
        *(["uwsgi.ini"] if ini != new["uwsgi.ini"] else []),
        *(["nginx.conf"] if old.get("nginx.conf") != new["nginx.conf"] else []),
    ]


def _names(old: str, new: str) -> list[str]:
    """The variables that only one of two environments has, or with another value."""
    before, now = (dict(EXPORT.findall(text)) for text in (old, new))
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
