# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.nginx_package: fetches the signing keys, keeps the pinned ones, renders apt's files."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.compat.version import LooseVersion
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.module_utils.facts.host_facts import NGINX_KEYS
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import known_host
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import render
from ansible_collections.emperor.flask.plugins.plugin_utils.nginx import signing_keys
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages

Result = dict[str, Any]
MODULE = "emperor.flask.nginx_package_on_host"
SOURCES = "/etc/apt/sources.list.d/nginx-org.sources"
PREFERENCES = "/etc/apt/preferences.d/nginx-org"
UPGRADES = "/etc/apt/apt.conf.d/52nginx-org"

display = Display()


class ActionModule(ActionBase):
    """Nothing but the pinned keys ever leaves the controller."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        _unused, arguments = self.validate_argument_spec(
            {
                "step": {"choices": ["install", "renew_keys", "hand_over"], "default": "install"},
                "origin": {"choices": ["nginx.org", "distribution"], "default": "distribution"},
                "version": {"default": ""},
                "user": {},
                "url": {"default": ""},
                "codename": {"default": ""},
                "signing_keys": {"type": "list", "elements": "str", "default": []},
                "signing_key_url": {"default": ""},
                "holes": {"type": "list", "elements": "dict", "default": []},
            }
        )
        if arguments["step"] == "hand_over":
            return self._module(step="hand_over")
        keys = self._keys(arguments) if arguments["origin"] == "nginx.org" else ""
        if arguments["step"] == "renew_keys":
            return self._renew(keys, arguments)
        request = {key: arguments[key] for key in ("origin", "version", "user", "url", "codename")}
        files = {}
        if arguments["origin"] == "nginx.org":
            files = {
                NGINX_KEYS: keys,
                SOURCES: render(self, "apt.sources.j2", {**self._vars, "keys": NGINX_KEYS}),
                PREFERENCES: render(self, "apt.preferences.j2", self._vars),
            }
            if not arguments["version"]:  # else it would be exchanged for another one
                files[UPGRADES] = render(self, "unattended_upgrades.j2", self._vars)
        result = self._module(step="install", files=files, sources=SOURCES, **request)
        if files:
            self._warn(result.get("version"), arguments["holes"])
        return result

    def _warn(self, version: str | None, holes: list[Result]) -> None:
        """Warn of the holes that a package of nginx.org has, by its version."""
        number = LooseVersion((version or "0").partition("-")[0])
        for hole in holes:
            if LooseVersion(hole["first"]) <= number < LooseVersion(hole["fixed"]):
                display.warning(
                    f"nginx {version} on {self._vars.get('inventory_hostname', 'this host')} has a known hole, {hole['name']}, which {hole['fixed']} mends: "
                    "let apt upgrade it (apt-get install --only-upgrade nginx), or raise nginx_version"
                )

    def _keys(self, arguments: Result) -> str:
        folder = Inventory(self, self._vars).folder
        try:
            return signing_keys.pinned(arguments["signing_key_url"], arguments["signing_keys"], folder)
        except Refusal as refusal:
            raise AnsibleActionFail(f"Nothing was changed, because:\n- {refusal}") from refusal

    def _renew(self, keys: str, arguments: Result) -> Result:
        """Nothing to do, and no round trip, unless the host holds other keys than it should (validate has asked)."""
        held = known_host.known(self._vars).get("nginx_keys")
        if not keys or held in (None, hashlib.sha256(keys.encode()).hexdigest()):
            return {"changed": False}
        return self._module(step="renew_keys", files={NGINX_KEYS: keys})

    def _module(self, **arguments: Any) -> Result:
        lock_owner.require()
        result = self._execute_module(MODULE, module_args={"request": arguments}, task_vars=self._vars)
        return messages.of(known_host.noted(result, self._vars))
