# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compare what was found on the hosts of a fleet."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.module_utils.host import app_findings
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import fleet_findings
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.fleet import Fleet

SERVERS, BALANCERS = "__flask_app_status", "__load_balancer_status"  # where playbooks register what they found


class ActionModule(ActionBase):
    """Read what playbooks have registered for each host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what is wrong."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        self.validate_argument_spec({})
        fleet, known = Fleet(variables), variables["hostvars"]
        servers = {host: known[host][SERVERS] for host in fleet.servers if SERVERS in known[host]}
        balancers = {host: _timed(known[host][BALANCERS]) for host in fleet.balancers if BALANCERS in known[host]}
        findings = fleet_findings.of_fleet(servers, balancers, next(iter(fleet.balancers), None))
        return {"changed": False, "findings": findings, "problems": list(map(app_findings.line, findings))}


def _timed(status: dict[str, Any]) -> dict[str, Any]:
    """What a balancer has said, with the seconds that its clock is ahead: it was asked some seconds ago."""
    return {**status, "ahead": round(status["clock"] - time.time())} if "clock" in status else status
