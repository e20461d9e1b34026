#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.fleet_status, which asks no host."""

DOCUMENTATION = r"""
module: fleet_status
short_description: Say what differs between the hosts of a fleet
description:
  - Compares what M(emperor.flask.app_status) has found on the servers (registered as C(__flask_app_status)) and M(emperor.flask.balancer_status) on the
    balancers (registered as C(__load_balancer_status)). Runs on the controller. Says nothing of a fleet of one.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options: {}
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Only reads.}
"""

EXAMPLES = r"""
- name: Compare the hosts
  emperor.flask.fleet_status:
  register: fleet
"""

RETURN = r"""
findings: {description: "What is wrong, each with C(app), C(code), C(meaning) and C(remedy).", type: list, elements: dict, returned: success}
problems: {description: The same for people., type: list, elements: str, returned: success}
"""
