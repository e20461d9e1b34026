# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.uwsgi_build: lets one host of each kind build, and ships what it built to the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.python.uwsgi_build import Build
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import known_host
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.wheels import Slot, Wheel, slot
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import default_cache

Result = dict[str, Any]
MODULE = "emperor.flask.uwsgi_build_on_host"

display = Display()


class ActionModule(ActionBase):
    """Look at the host once, unless this run has; where a tree is missing, build or ship its wheel."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return what was missing, built and shipped."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._host = self._vars.get("inventory_hostname", "this host")
        _unused, self._arguments = self.validate_argument_spec(
            {
                "version": {"required": True},
                "checksum": {"required": True},
                "pythons": {"type": "list", "elements": "path", "required": True},
                "root": {"type": "path", "default": "/opt/uwsgi"},
                "cache": {"type": "path"},
                "build_packages": {"type": "list", "elements": "str", "default": []},
            }
        )
        seen: Result = {"missing": [], "relink": False} if self._is_known() else self._step("look")
        missing, relink = seen["missing"], seen["relink"]
        paths = [tree["path"] for tree in missing]
        result: Result = {
            "changed": bool(missing) or relink,
            "missing": paths,
            "relink": relink,
            "built": [],
            "shipped": [],
        }
        if self._task.check_mode:
            return result
        try:
            # One place is held at a time, so no two hosts wait for each other.
            for tree in missing:
                result[self._provide(tree)].append(tree["path"])
        except Refusal as refusal:
            raise AnsibleActionFail(str(refusal)) from refusal
        if relink and not missing:
            self._step("link")
        return result

    def _is_known(self) -> bool:
        """Tell whether this run has seen on the host all that is wanted."""
        root, version, pythons = (self._arguments[key] for key in ("root", "version", "pythons"))
        host = known_host.known(self._vars)
        versions = {python: host.get("pythons", {}).get(python) for python in pythons}
        wanted = {Build(root, version, python, versions[python] or "").path for python in pythons}
        seen = host.get("uwsgi", {"trees": [], "current": None})
        return wanted <= {*seen["trees"]} and seen["current"] in wanted

    def _provide(self, tree: Result) -> str:
        """Make a tree that is missing, and tell whether its wheel was ``built`` or ``shipped``."""
        place = slot(self._cache(), self._arguments["version"], self._arguments["checksum"], tree["kind"])
        with place.claimed(self._host, self._tell_waiting):
            wheel = place.usable(display.warning)
            if wheel is None:
                self._build(tree, place)
                return "built"
        self._install(tree, place, wheel)
        return "shipped"

    def _build(self, tree: Result, place: Slot) -> None:
        folder = self._make_tmp_path()
        try:
            built = self._step(
                "build",
                python=tree["python"],
                checksum=self._arguments["checksum"],
                folder=folder,
                packages=self._arguments["build_packages"],
            )
            wheel = Wheel(os.path.basename(built["wheel"]), built["sha256"], built["packages"], self._host)
            remote = self._connection._shell.join_path(folder, wheel.file)
            place.keep(wheel, lambda local: self._connection.fetch_file(remote, local))
        finally:
            self._remove_tmp_path(folder)

    def _install(self, tree: Result, place: Slot, wheel: Wheel) -> None:
        folder = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(folder, wheel.file)
            self._transfer_file(str(place.path(wheel)), remote)
            self._step("install", python=tree["python"], wheel=remote, sha256=wheel.sha256, packages=wheel.packages)
        finally:
            self._remove_tmp_path(folder)

    def _step(self, step: str, **more: Any) -> Result:
        """Run the module; its failure is the task's."""
        arguments = {"step": step, **{key: self._arguments[key] for key in ("version", "pythons", "root")}, **more}
        lock_owner.require()
        result: Result = self._execute_module(MODULE, module_args={"request": arguments}, task_vars=self._vars)
        if result.get("failed"):
            failed = messages.of(result)
            raise AnsibleActionFail(failed.get("msg", f"{MODULE} failed"), result=failed)
        return result

    def _cache(self) -> Path:
        given = self._arguments["cache"]
        return Inventory(self, self._vars).path(given) if given else default_cache()

    def _tell_waiting(self, builder: str) -> None:
        display.v(f"{self._host}: waits for {builder}, which builds uWSGI")
