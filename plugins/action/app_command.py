# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.app_command: lets flask-app on the host run a command in an app's box, in the name of who runs the play."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages

display = Display()

PROGRAM = "/usr/local/bin/flask-app"


class ActionModule(ActionBase):
    """Run one command; the task fails where it does."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``rc`` and ``output``, the lines of both streams."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        inventory = Inventory(self, variables)
        _unused, arguments = self.validate_argument_spec(
            {"app": {"type": "str"}, "command": {"type": "str"}, "typed": {"type": "bool", "default": False}}
        )
        app, command = arguments["app"], arguments["command"] or ""
        if arguments["typed"]:
            hosts = variables["ansible_play_hosts_all"]
            app, command, host = (inventory.typed(name) for name in ("app", "command", "host"))
            if host and host not in hosts:
                raise AnsibleActionFail(f"there is no host '{host}' in this play; say one of: {', '.join(hosts)}")
            if variables["inventory_hostname"] != (host or hosts[0]):
                return {"skipped": True, "changed": False}
        if misspelt := inventory.misspelt():
            raise AnsibleActionFail("\n".join(misspelt))
        inventory.named(app)
        if not command.strip():
            raise AnsibleActionFail('there is no command; say which with -e command="flask users add anna"')
        if self._task.check_mode:
            return {"changed": True, "output": []}
        # Both streams in their order.
        argv = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", PROGRAM, f"--by={lock_owner.current()['name']}", app]
        ran = self._execute_module(
            "ansible.builtin.command", module_args={"argv": [*argv, "/bin/sh", "-c", command]}, task_vars=variables
        )
        if "rc" not in ran:
            return messages.of(ran, inventory.secrets())
        said = messages.shown(ran["stdout"], inventory.secrets())
        for line in [] if ran["rc"] else said.splitlines():
            display.display(line)
        result = {"changed": True, "rc": ran["rc"], "output": said.splitlines()}
        return result | ({"failed": True, "msg": f"'{command}' ended with {ran['rc']}:\n{said}"} if ran["rc"] else {})
