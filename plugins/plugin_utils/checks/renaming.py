# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an app can take over what is on the hosts under the name that it had before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

App = dict[str, Any]


def old_name(app: App) -> str | None:
    """The name that an app had before; None for most, and for one that goes away."""
    return app.get("renamed_from") or None if app.get("state") != "absent" else None


def conflicts(apps: list[App]) -> Iterator[str]:
    """What is wrong in the list itself."""
    names = [app["name"] for app in apps]
    heirs: dict[str, str] = {}
    for app in apps:
        name, old = app["name"], old_name(app)
        if old is None:
            continue
        first = heirs.setdefault(old, name)
        if old == name:
            yield f"app '{name}': renamed_from is '{old}', its own name; say the name that it had before, or remove the key"
        elif old in names:
            yield f"app '{name}': renamed_from is '{old}', which is in flask_apps too; remove the entry of '{old}', for that app becomes '{name}'"
        elif first != name:
            yield f"app '{name}': renamed_from is '{old}', and app '{first}' says so too; one of them can take it over, so remove the key from the other"


def refusals(host: dict[str, Any], app: App) -> Iterator[str]:
    """What stands in the way on a host."""
    name, old = app["name"], old_name(app)
    becoming = host["becoming"].get(name)
    if becoming and becoming["taken"]:
        new = becoming["name"]
        yield (
            f"app '{name}': a run that died was making it '{new}', and may have moved its shared files; "
            f"say name: {new} and renamed_from: {name}, and run again"
        )
    begun = old is not None and host["becoming"].get(old, {}).get("name") == name
    if old and _is_there(host, old) and _is_there(host, name) and not begun:
        yield (
            f"app '{name}': renamed_from is '{old}', but '{old}' and '{name}' are both on this host, and neither is overwritten; "
            f"remove renamed_from, or take one of them away first (state: absent)"
        )


def _is_there(host: dict[str, Any], name: str) -> bool:
    return bool(host["accounts"].get(name) == f"/var/www/{name}")
