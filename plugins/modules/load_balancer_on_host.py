#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.load_balancer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: load_balancer_on_host
short_description: The host half of emperor.flask.load_balancer
description:
  - Private. The action M(emperor.flask.load_balancer) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
attributes:
  check_mode: {support: full, description: As that of the action.}
  diff_mode: {support: full, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.load_balancer calls it.
"""

RETURN = r""" # """

from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Transaction
from ansible_collections.emperor.flask.plugins.module_utils.nginx import balanced

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"required": True, "choices": ["configure", "take_out", "take_back"]},
    "files": {"type": "dict", "default": {}},  # contents by path
    "addresses": {"type": "dict", "default": {}},  # host:port by server
    "apps": {"type": "dict", "default": {}},  # the servers of each
    "servers": {"type": "list", "elements": "str", "default": []},  # that are level, or are taken out or back
    "least": {"type": "int", "default": 0},
    "answering": {"type": "dict"},  # the servers that answer for each app, where that was asked
}


def main() -> None:
    """Plan, and unless in check mode apply."""
    module = AnsibleModule(
        argument_spec={"request": {"type": "dict", "required": True}},
        supports_check_mode=True,
    )
    params = requested(module, REQUEST)
    try:
        with nullcontext() if module.check_mode else host_lock():
            transaction = _transaction(params)
            result = {"changed": transaction.changed, "diff": transaction.diff()}
            if not module.check_mode:
                transaction.apply()
    except Refusal as refusal:
        module.fail_json(msg=f"load_balancer: {refusal}\nNothing was changed.")
    except OSError as error:
        module.fail_json(msg=f"load_balancer: the host cannot do it: {error}; mend that and run again")
    module.exit_json(**result, takes=balanced.states())


def _transaction(params: dict[str, Any]) -> Transaction:
    if params["step"] == "configure":
        sites = [File(path, content.encode(), Access(0o644)) for path, content in params["files"].items()]
        return balanced.configured(sites, params["addresses"], params["apps"], params["servers"])
    return balanced.exchanged(params["servers"], params["step"] == "take_back", params["least"], params["answering"])


if __name__ == "__main__":
    main()
