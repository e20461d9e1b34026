# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.configuration: renders the templates, then hands the module plain contents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.module_utils.host import standing
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import known_host
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import render
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages

display = Display()


class ActionModule(ActionBase):
    """Render every template of the set, read every file, and run the module once; not at all where this run knows that the set stands."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        self._vars = task_vars or {}
        files = [self._rendered(file, self._vars) for file in arguments.get("files", [])]
        asked = standing.digest({**arguments, "files": files})
        if asked and known_host.known(self._vars).get(known_host.STANDING, {}).get(arguments["set"]) == asked:
            return {"changed": False, "written": [], "removed": [], "moved": [], "diff": [], "outdated": ""}
        sensitive = {file["path"]: file.pop("content") for file in files if boolean(file.pop("sensitive", False))}
        arguments.update(files=files, digest=asked)
        lock_owner.require()
        result = self._execute_module(
            "emperor.flask.configuration_on_host",
            module_args={"request": arguments, "sensitive": sensitive},
            task_vars=task_vars,
        )
        if result.get("outdated"):
            display.warning(
                f"the unit of {result['outdated']} changes: each app's Emperor is exchanged, and no request is lost, when the role flask_app is applied "
                "(the playbooks site and deploy do so); until then it goes on as it was started"
            )
        return messages.of(known_host.noted(result, self._vars))

    def _rendered(self, file: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        if boolean(file.get("sensitive", False)):
            file = {"mode": "0600", **file}
        rest = {key: value for key, value in file.items() if key not in ("template", "source", "replacement")}
        if "source" in file:
            return {**rest, "content": Path(self._find_needle("files", file["source"])).read_text(encoding="utf-8")}
        template = file["template"]
        if file.get("replacement"):
            template = str(Inventory(self, task_vars).path(file["replacement"]))
        return {**rest, "content": render(self, template, task_vars)}
