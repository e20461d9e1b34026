#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: configuration_on_host
short_description: The host half of emperor.flask.configuration
description:
  - Private. The action M(emperor.flask.configuration) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
  sensitive:
    description: Contents of the sensitive files, by their paths. Apart from the rest, where Ansible keeps them out of the host's journal.
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: As that of the action.}
  diff_mode: {support: full, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.configuration calls it.
"""

RETURN = r""" # """

from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import standing
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record, Transaction

ACCESS = {"path": {"type": "path", "required": True}, "owner": {"default": "root"}, "group": {"default": "root"}}

# What the action sends.
REQUEST: dict[str, Any] = {
    "set": {"required": True},
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {**ACCESS, "mode": {"default": "0755"}},
    },
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            **ACCESS,
            "content": {},
            "mode": {"default": "0644"},
            "reload": {"type": "bool", "default": True},
        },
    },
    "generated": {"type": "list", "elements": "path", "default": []},
    "absent": {"type": "list", "elements": "path", "default": []},
    "aside": {"type": "list", "elements": "path", "default": []},
    "check": {"type": "list", "elements": "str", "default": []},
    "service": {},
    "instances": {},
    "digest": {"default": ""},  # of the request, where it may be noted that it stands
}


def main() -> None:
    """Plan, and unless in check mode apply."""
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
            "sensitive": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = requested(module, REQUEST)
    try:
        with nullcontext() if module.check_mode else host_lock():
            result = _apply(params, module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=f"{params['set']}: {refusal}\nNothing was changed.")
    except OSError as error:
        module.fail_json(msg=f"{params['set']}: the host cannot do it: {error}; mend that and run again")
    module.exit_json(**result)


def _apply(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Compare, and unless in check mode apply; return the module's result."""
    transaction = Transaction(
        record=Record.load(params["set"]),
        files=[_file(item, params["sensitive"]) for item in params["files"]],
        generated=params["generated"],
        directories={item["path"]: _access(item) for item in params["directories"]},
        absent=params["absent"],
        aside=params["aside"],
        check=params["check"],
        service=params["service"],
        instances=params["instances"],
    )
    result = {
        "changed": transaction.changed,
        "written": [*transaction.missing, *(file.path for file in transaction.written)],
        "removed": transaction.removed,
        "moved": [new for _unused, new in transaction.moved],
        "diff": transaction.diff(),
        "outdated": params["instances"] if transaction.outdates else "",
    }
    if not check_mode:
        transaction.apply()
        standing.note(params, params["digest"])
    elif not transaction.changed:
        transaction.test()
    return result


def _file(item: dict[str, Any], sensitive: dict[str, str]) -> File:
    secret = item["path"] in sensitive
    content = sensitive[item["path"]] if secret else item["content"]
    return File(item["path"], content.encode(), _access(item), item["reload"], secret)


def _access(item: dict[str, Any]) -> Access:
    return Access(int(item["mode"], 8), item["owner"], item["group"])


if __name__ == "__main__":
    main()
