# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.app_status: shows the table as it is; Ansible's own output would break its lines."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.release import messages

display = Display()


class ActionModule(ActionBase):
    """Run the module, and show what it has found."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        if misspelt := Inventory(self, variables).misspelt():
            raise AnsibleActionFail("\n".join(misspelt))
        result: dict[str, Any] = self._execute_module(module_args=self._task.args, task_vars=variables)
        shown = "table" in result and not self._task.delegate_to  # another host's figures are asked for by a program
        for line in [f"{variables['inventory_hostname']}:", *result["table"]] if shown else []:
            display.display(messages.visible(line))
        if "clock" in result:
            result["ahead"] = round(result["clock"] - time.time())
        return messages.of(result)
