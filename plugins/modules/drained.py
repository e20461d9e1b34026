#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait until a server has no request of a balancer's in hand."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drained
short_description: Wait until balancers have no connection to a server
description:
  - For a server that the balancers send no more requests to. Counts the connections that they have to its nginx, as the kernel tells it.
  - What is left after O(timeout) is warned about - streams and websockets last as long as their clients like.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options:
  addresses:
    description: Addresses of the balancers, as M(emperor.flask.validate) returns them.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait at most.
    type: int
    default: 90
attributes:
  check_mode: {support: full, description: Does not wait.}
  diff_mode: {support: none, description: Changes nothing.}
"""

EXAMPLES = r"""
- name: Wait until it has no request in hand
  emperor.flask.drained:
    addresses: "{{ looked.balancers }}"
"""

RETURN = r"""
left: {description: Connections that are left., type: int, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.nginx import connections


def main() -> None:
    """Wait, and return what is left."""
    module = AnsibleModule(
        argument_spec={
            "addresses": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 90},
        },
        supports_check_mode=True,
    )
    seconds = 0 if module.check_mode else module.params["timeout"]
    left = connections.wait_until_drained(module.params["addresses"], seconds)
    if left and not module.check_mode:
        module.warn(
            f"{left} connections of balancers are still open after {seconds} seconds; a restart cuts what they carry"
        )
    module.exit_json(changed=False, left=left)


if __name__ == "__main__":
    main()
