# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory says for the host of an action: variables, and the apps merged, converted and checked.

Every action that needs the apps reads them here, so that secrets never travel through a task's result or arguments.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.parsing.quoting import unquote
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import renaming, tls
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.fleet import Fleet
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source

HIDDEN = "********"
OPTIONS = "__flask_app_options"  # what one of our playbooks takes by -e, which it states


class Inventory:
    """The variables of an action's host. The apps of a balancer are those of the servers behind it."""

    def __init__(self, action: ActionBase, variables: dict[str, Any]) -> None:
        self.variables, self._unequal = variables, list[str]()
        self.fleet = Fleet(variables)
        self.servers: dict[str, list[str]] = {}  # of a balancer, by app
        if self.fleet.balances:
            entries, self.servers, self._unequal = self.fleet.apps()
            self.variables = {**variables, "flask_apps": entries, "flask_app_defaults": {}}
        self._templar, self._loader = action._templar, action._loader

    def value(self, name: str, otherwise: Any = None) -> Any:
        """A variable, templated."""
        return self._templar.template(self.variables[name]) if name in self.variables else otherwise

    def flag(self, name: str) -> bool:
        """A variable that is true or false; false where it is not set."""
        return bool(boolean(self.value(name, False), strict=False))

    def apps(self, with_source: bool = True) -> tuple[list[apps.App], list[str]]:
        """The apps with every key, and what is wrong with them; with their sources only ``with_source``, for these are fetched.

        Where flask_app_only names an app, it is the only one, and nothing is fetched for the others; flask_app_version then takes
        the place of its source's version.
        """
        defaults = self.value("flask_app_defaults", {})
        only, version = self.value("flask_app_only") or None, self.value("flask_app_version") or None
        if self.fleet.balances:  # what it leaves out, it takes away
            only = version = None
        entries, mistakes = self._entries()
        if not isinstance(defaults, dict):
            return [], ["flask_app_defaults must be a dictionary; correct it in the inventory"]
        if version is not None and only is None and len(entries) > 1:
            return [], [f"version '{version}' was asked for, but not of which app; name it with -e app=NAME"]
        prepared = []
        for index, app in entries:
            wanted = only in (None, app.get("name"))
            merged = apps.merge(apps.defaults_for(app, defaults), app)
            ready, found = apps.prepare(merged, self.folder, version if wanted else None, with_source and wanted)
            prepared.append(self._on_server(ready))
            mistakes += [f"{apps.label(app, index)}: {mistake}" for mistake in found]
        mistakes = mistakes or list(apps.conflicts(prepared))
        if mistakes:
            return prepared, mistakes
        return apps.chosen(prepared, only)

    def serves_tls(self, mode: str | None = None) -> bool:
        """Tell whether any app is served over TLS, in a mode or any, whichever are released now: nginx listens for all of them."""
        return any(tls.serves(app) and mode in (None, app["tls"]["mode"]) for app in self._merged())

    def promised_memory(self) -> dict[str, str]:
        """``limits.memory`` by app, of those that are to be present and state it, whichever are released now; they must be right."""
        present = [
            app for app in self._merged() if app.get("state") != "absent" and isinstance(app.get("limits"), dict)
        ]
        return {str(app["name"]): str(app["limits"]["memory"]) for app in present if app["limits"].get("memory")}

    def misspelt(self) -> list[str]:
        """Variables of the command line that nearly are one which the playbook takes: it would do without, and do something else."""
        taken = self.value(OPTIONS, [])
        near = {
            name: difflib.get_close_matches(name, taken, n=1, cutoff=0.8)
            for name in load_extra_vars(self._loader)
            if name not in taken
        }
        return [
            f"-e {name}=... is nothing that this playbook takes; did you mean {found[0]}?"
            for name, found in near.items()
            if found
        ]

    def typed(self, name: str) -> str:
        """A variable, as ``-e name="several words"`` was typed: of that Ansible takes the first word alone, for the shell has removed the quotes."""
        for option in reversed(context.CLIARGS.get("extra_vars") or ()):
            key, _equals, value = str(option).partition("=")
            if key.strip() == name:
                return str(unquote(value.strip()))
        return str(self.value(name) or "")

    def names(self) -> list[str]:
        """The names of all apps, whatever else is wrong with them."""
        return [str(app.get("name")) for _unused, app in self._entries()[0]]

    def old_names(self) -> list[str]:
        """The names that apps had before, as far as their entries say so, whatever else is wrong with them."""
        defaults = self.value("flask_app_defaults", {})
        merged = [apps.merge(defaults, app) for _unused, app in self._entries()[0]]
        return [old for app in merged if (old := renaming.old_name(app))]

    def named(self, name: str | None) -> str:
        """The app that a playbook was told by ``-e app=NAME``; raises AnsibleActionFail for one that there is not."""
        if name not in (known := self.names()):
            raise AnsibleActionFail(
                f"there is no app '{name or ''}'; say which with -e app=NAME, one of: {', '.join(known)}"
            )
        return str(name)

    def secrets(self) -> list[str]:
        """The values of all apps' secrets. Nothing is checked and no source is fetched for it."""
        kept = [app.get("secrets") for app in self._merged()]
        return [str(value) for one in kept if isinstance(one, dict) for value in one.values()]

    def _merged(self) -> list[dict[str, Any]]:
        """The entries of flask_apps with their defaults, whatever is wrong with them."""
        defaults = self.value("flask_app_defaults", {})
        defaults = defaults if isinstance(defaults, dict) else {}
        return [self._on_server(apps.merge(defaults, app)) for _unused, app in self._entries()[0]]

    def _on_server(self, app: dict[str, Any]) -> dict[str, Any]:
        """An app as its host serves it: behind balancers, which end TLS, over plain HTTP."""
        if not self.fleet.is_behind_balancers or not isinstance(app.get("tls"), dict):
            return app
        return {**app, "tls": {**app["tls"], **tls.PLAIN}}

    def _entries(self) -> tuple[list[tuple[int, dict[str, Any]]], list[str]]:
        """The entries of flask_apps, templated, with their places. Each is templated by itself, so that an error names it."""
        entries = self.variables.get("flask_apps", [])
        if isinstance(entries, str):
            entries = self.value("flask_apps")
        if not isinstance(entries, list):
            return [], ["flask_apps must be a list of apps; correct it in the inventory"]
        found, mistakes = [], list(self._unequal)
        for index, entry in enumerate(entries):
            try:
                app = self._templar.template(entry)
            except AnsibleError as error:
                mistakes += [f"{apps.label(entry, index)}: {found}" for found in self._untemplated(entry)] or [
                    f"{apps.label(entry, index)}: {error}"
                ]
                continue
            if isinstance(app, dict):
                found.append((index, app))
            else:
                mistakes.append(
                    f"{apps.label(entry, index)} is '{app}'; an app is a dictionary with name, module and source"
                )
        return found, mistakes

    def _untemplated(self, value: Any, at: str = "") -> Iterator[str]:
        """Which parts of an entry cannot be templated, by their dotted keys, and why."""
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, part in parts:
            yield from self._untemplated(part, f"{at}.{key}" if at else str(key))
        if not parts and at:
            try:
                self._templar.template(value)
            except AnsibleError as error:
                yield f"{at}: {error}"

    @property
    def folder(self) -> Path:
        """Where relative paths start: the folder of the inventory that names this host; the play's where there is none."""
        return Path(self.variables.get("inventory_dir") or self._loader.get_basedir())

    def path(self, given: str) -> Path:
        """A path on the controller as the inventory states it: absolute, from the home folder, or relative to the inventory's."""
        return self.folder / Path(given).expanduser()


def without_secrets(app: apps.App) -> apps.App:
    """An app as a task's result may show it."""
    shown = {"source": source.public(app["source"])} if app.get("source") else {}
    return {**app, **shown, "secrets": dict.fromkeys(app.get("secrets", {}), HIDDEN)}
