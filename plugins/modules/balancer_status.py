#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a balancer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: balancer_status
short_description: Say which servers a balancer sends requests to, and which certificates it has
description:
  - Reads what the role C(emperor.flask.load_balancer) has left on a host. M(emperor.flask.fleet_status) compares it with that of the other hosts.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options: {}
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Only reads.}
"""

EXAMPLES = r"""
- name: Look at the balancer
  emperor.flask.balancer_status:
  register: __load_balancer_status
"""

RETURN = r"""
takes: {description: "By server, whether it takes requests.", type: dict, returned: success}
certificates:
  description: >-
    By app, C(ends) (seconds since the epoch) and C(digest) of the certificate that nginx has, and whether it was C(ordered) of an authority, here or on
    the first balancer.
  type: dict
  returned: success
nginx: {description: Whether nginx runs., type: bool, returned: success}
failed_units: {description: Of the units that bring renewed certificates those that have failed., type: list, elements: str, returned: success}
clock: {description: The host's time in seconds since the epoch., type: float, returned: success}
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import balanced
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs
from ansible_collections.emperor.flask.plugins.module_utils.tls.x509 import Certificate

UNITS = ("certbot.service", "emperor-certificates.service")  # bring the certificates that are renewed


def main() -> None:
    """Look, and return it."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    certificates = {}
    for path in Record.load(key_pairs.SET).owned:
        found = Certificate.read(path)
        if found:
            folder = os.path.dirname(path)
            ordered = os.path.islink(os.path.join(folder, "lineage"))
            certificates[os.path.basename(folder)] = {"ends": found.ends, "digest": sha256(path), "ordered": ordered}
    states = {unit: systemd.state(unit) for unit in UNITS}
    module.exit_json(
        changed=False,
        takes=balanced.states(),
        certificates=certificates,
        nginx=systemd.is_ready("nginx.service"),
        failed_units=[unit for unit, state in states.items() if state.active == "failed"],
        clock=time.time(),
    )


if __name__ == "__main__":
    main()
