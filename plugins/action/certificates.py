# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.certificates: reads and checks those that are files here, and asks the host only where there are any."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.plugin_utils import certificates, tls
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import Inventory

Result = dict[str, Any]
MODULE = "emperor.flask.certificates"


class ActionModule(ActionBase):
    """Take a step for all apps that are served over TLS."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        _, arguments = self.validate_argument_spec(
            {"step": {"choices": ["provide", "default_server"], "required": True}}
        )
        if arguments["step"] == "default_server":
            return self._module(step="default_server")
        return self._provide()

    def _provide(self) -> Result:
        prepared, mistakes = Inventory(self, self._vars).apps(with_source=False)
        apps = [app for app in prepared if tls.serves(app)] if not mistakes else []
        pairs, wrong = certificates.read_all(apps, self._loader)
        if mistakes or wrong:
            raise AnsibleActionFail("\n".join([*mistakes, *wrong]))
        if not apps:
            return {"changed": False}
        items = [
            {"name": app["name"], "mode": app["tls"]["mode"], "names": tls.certificate_names(app["server_names"])}
            for app in apps
        ]
        return self._module(step="provide", apps=items, pairs={name: pair.texts() for name, pair in pairs.items()})

    def _module(self, **arguments: Any) -> Result:
        return self._execute_module(module_name=MODULE, module_args=arguments, task_vars=self._vars)
