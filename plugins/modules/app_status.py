#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say how the apps of a host are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: app_status
short_description: Say how the apps of a host are
description:
  - Reads which release of each app serves, since when and by whom, whether its workers and timers run, what it answers and takes, and what is wrong with it.
  - One round trip, however many apps there are. It changes nothing. C(flask-app) on the host shows the same.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options:
  apps:
    description: Names of the apps. Empty, all of the host.
    type: list
    elements: str
    default: []
  host:
    description: Whether to look at the host as well, at its nginx and its disks.
    type: bool
    default: false
  health:
    description: Whether to ask each app that is awake whether it is healthy.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Only reads.}
"""

EXAMPLES = r"""
- name: Look at all apps
  emperor.flask.app_status:
  register: how
"""

RETURN = r"""
apps:
  description: >-
    For each app C(release), C(since), C(by), C(origin), C(web) (V(up), V(asleep) or V(down)), C(reachable) (for nginx), C(site) (whether nginx has one),
    C(killed) (processes, in the last hour), C(leftovers) (of a run that died), C(closed) (for maintenance), C(workers),
    C(timers), C(requests), C(requests_per_second) and C(errors) (answers of 5xx) of the last five minutes, C(threads) (how many requests it can have in hand at
    once), C(busy) (how many it has, open streams among them), C(queue) (requests that wait for a thread), C(memory) and C(memory_limit) (bytes),
    C(certificate_ends), C(certificate_days) and C(lock) (who releases it now). Moments are in seconds since the epoch. What is not known is V(null).
  type: list
  elements: dict
  returned: success
clock: {description: The host's time in seconds since the epoch., type: float, returned: success}
ahead: {description: Seconds that it is ahead of the controller's., type: int, returned: success}
disks:
  description: The disks that the apps' files are on, each with C(folders), C(free) and C(size) (bytes).
  type: list
  elements: dict
  returned: success
table: {description: The same for people., type: list, elements: str, returned: success}
findings: {description: "What is wrong, each with C(app), C(code), C(meaning) and C(remedy).", type: list, elements: dict, returned: success}
problems: {description: The same for people., type: list, elements: str, returned: success}
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import (
    app_findings,
    app_status,
    audit,
)
from ansible_collections.emperor.flask.plugins.module_utils.vassal import app_health


def main() -> None:
    """Look, and return it."""
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "default": []},
            "host": {"type": "bool", "default": False},
            "health": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    known = app_status.names()
    apps = module.params["apps"] or known
    if missing := sorted(set(apps) - set(known)):
        module.fail_json(msg=f"there is no app '{missing[0]}' on this host; there are: {', '.join(known) or 'none'}")
    rows = app_status.status(apps, audit.deployed())
    findings = app_findings.found(rows, module.params["host"])
    if module.params["health"]:
        findings += app_health.findings(rows)
    problems = list(map(app_findings.line, findings))
    disks = app_findings.disks()
    table = [*app_status.table(rows), *map(app_findings.disk_line, disks)]
    module.exit_json(
        changed=False, clock=time.time(), apps=rows, disks=disks, table=table, findings=findings, problems=problems
    )


if __name__ == "__main__":
    main()
