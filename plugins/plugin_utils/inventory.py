# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory says for the host of an action: variables, and the apps merged, converted and checked.

Every action that needs the apps reads them here, so that secrets never travel through a task's result or arguments.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.plugin_utils import apps

HIDDEN = "********"


class Inventory:
    """The variables of an action's host."""

    def __init__(self, action: ActionBase, variables: dict[str, Any]) -> None:
        self.variables = variables
        self._templar, self._loader = action._templar, action._loader

    def value(self, name: str, otherwise: Any = None) -> Any:
        """A variable, templated."""
        return self._templar.template(self.variables[name]) if name in self.variables else otherwise

    def apps(self) -> tuple[list[apps.App], list[str]]:
        """The apps with every key, and what is wrong with them. Each is templated by itself, so that an error names it."""
        defaults, entries = self.value("flask_app_defaults", {}), self.variables.get("flask_apps", [])
        if isinstance(entries, str):
            entries = self.value("flask_apps")
        if not isinstance(entries, list) or not isinstance(defaults, dict):
            return [], [
                "flask_apps must be a list of apps and flask_app_defaults a dictionary; correct them in the inventory"
            ]
        prepared, mistakes = [], []
        for index, entry in enumerate(entries):
            label = apps.label(entry, index)
            try:
                app = self._templar.template(entry)
            except AnsibleError as error:
                mistakes.append(f"{label}: {error}")
                continue
            if not isinstance(app, dict):
                mistakes.append(f"{label} is '{app}'; an app is a dictionary with name, module and source")
                continue
            ready, found = apps.prepare(apps.merge(defaults, app), self.folder)
            prepared.append(ready)
            mistakes += [f"{apps.label(app, index)}: {mistake}" for mistake in found]
        return prepared, mistakes or list(apps.conflicts(prepared))

    @property
    def folder(self) -> Path:
        """Where relative paths start: the folder of the inventory that names this host; the play's where there is none."""
        return Path(self.variables.get("inventory_dir") or self._loader.get_basedir())

    def path(self, given: str) -> Path:
        """A path on the controller as the inventory states it: absolute, from the home folder, or relative to the inventory's."""
        return self.folder / Path(given).expanduser()


def without_secrets(app: apps.App) -> apps.App:
    """An app as a task's result may show it."""
    return {**app, "secrets": dict.fromkeys(app["secrets"], HIDDEN)}
