# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.load_balancer: renders the sites of all apps, and says which servers this run has brought level."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import fleet, fleet_findings
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import render
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages, plans

Result = dict[str, Any]
MODULE = "emperor.flask.load_balancer_on_host"
# The first server of an address is its default: of those here before that of the role nginx, 00_default.conf, if an app has no names.
SITES = {True: "/etc/nginx/conf.d/00_balancer.conf", False: "/etc/nginx/conf.d/balancer.conf"}
LOST = ("take_out_absent", "take_out_doubtful")  # steps that find out by themselves which servers

display = Display()


class ActionModule(ActionBase):
    """Configure a balancer, or take servers out of it and back."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        _unused, arguments = self.validate_argument_spec(
            {
                "step": {"choices": ["configure", "take_out", "take_back", *LOST], "default": "configure"},
                "host": {"type": "dict", "default": {}},
                "servers": {"type": "list", "elements": "str", "default": []},
                "least": {"type": "int", "default": 0},
                "statuses": {"type": "list", "elements": "dict"},
            }
        )
        host, statuses = arguments.pop("host"), arguments.pop("statuses")
        if statuses is not None:
            arguments["answering"] = self._answering(arguments["servers"], statuses)
            if alone := [app for app, servers in arguments["answering"].items() if servers is None]:
                display.display(
                    f"{', '.join(arguments['servers'])} alone has {', '.join(alone)}, so it stays in the balancers"
                )
                return {"changed": False}
        if arguments["step"] in LOST:
            arguments = {**arguments, "servers": self._lost(arguments["step"]), "step": "take_out"}
            if not arguments["servers"]:
                return {"changed": False}
        request = self._configured(host) if arguments["step"] == "configure" else arguments
        lock_owner.require()
        return messages.of(self._execute_module(MODULE, module_args={"request": request}, task_vars=self._vars))

    def _answering(self, servers: list[str], statuses: list[Result]) -> dict[str, list[str] | None]:
        """For each app of these servers the others that answer for it, by what they have said; None where no other server has it."""
        said = {str(status["item"]): status for status in statuses}
        answering: dict[str, list[str] | None] = {}
        for app, having in fleet.Fleet(self._vars).apps()[1].items():
            others = [server for server in having if server not in servers]
            if len(others) < len(having):
                able = fleet_findings.answering(app, {server: said[server] for server in others if server in said})
                answering[app] = able if others else None
        return answering

    def _lost(self, step: str) -> list[str]:
        """The servers that this run cannot bring level. Where it is refused for want of them, none: they serve what the others serve."""
        if step == "take_out_doubtful":
            return plans.doubtful(self._vars)
        refused = any(fleet.too_few(self._vars, Inventory(self, self._vars).value(fleet.LEAST)))
        return [] if refused else fleet.absent(self._vars)

    def _configured(self, host: Result) -> Result:
        """What the module is told of all apps."""
        inventory = Inventory(self, self._vars)
        apps, mistakes = inventory.apps(with_source=False)
        if mistakes:
            raise AnsibleActionFail(messages.visible("\n".join(mistakes)))
        if not apps:
            raise AnsibleActionFail(
                "the servers have no app, as far as the inventory tells: what this balancer has stays; look at flask_apps"
            )
        served = sorted(apps, key=lambda app: (bool(app["server_names"]), app["name"]))
        servers = inventory.fleet.servers
        own: Result = {
            "apps": served,
            "servers": inventory.servers,
            "host": host,
            "first": inventory.fleet.orders_at(),
            "firsts_port": fleet.FIRSTS_PORT,
            "others": inventory.fleet.other_addresses(),
        }
        has_default = any(not app["server_names"] for app in served)
        content = render(self, "balancer.conf.j2", {**self._vars, **own})
        return {
            "step": "configure",
            "files": {SITES[has_default]: content},
            "addresses": inventory.fleet.upstreams(),
            "apps": inventory.servers,
            "servers": [server for server in servers if plans.is_level(self._vars, servers, server)],
        }
