#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.certificates."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates_on_host
short_description: The host half of emperor.flask.certificates
description:
  - Private. The action M(emperor.flask.certificates) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
  pairs:
    description: Certificates with their keys, by the apps' names. Apart from the rest, where Ansible keeps them out of the host's journal.
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: As that of the action.}
  diff_mode: {support: full, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.certificates calls it.
"""

RETURN = r""" # """

import os
from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.tls import certbot, key_pairs, lineages
from ansible_collections.emperor.flask.plugins.module_utils.tls.key_pairs import Pair
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage, Order

APP = {
    "name": {"required": True},
    "renamed_from": {},
    "mode": {"required": True},
    "names": {"type": "list", "elements": "str"},
    "order": {"type": "dict"},  # of mode acme: directory and email
}
DEFAULT = "default"  # no app can have this name
DEFAULT_NAMES = ["default.invalid"]
UNCHANGED = "Nothing was changed: nginx serves with the ones it had."

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"choices": ["provide", "issue", "default_server"], "required": True},
    "apps": {"type": "list", "elements": "dict", "default": [], "options": APP},
    "renewal": {"type": "list", "elements": "dict"},  # files; none to take them away, null to leave them
    "renews": {"type": "bool", "default": True},  # whether any app still has a certificate of an authority
}


def main() -> None:
    """Take a step, or in check mode say what it would change."""
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
            "pairs": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = requested(module, REQUEST)
    if module.check_mode and host_facts.nginx_group() is None:  # nginx is still to be installed
        module.exit_json(changed=True, written=[])
    try:
        step = params["step"]
        # certbot and what it runs take the lock themselves, so the step that orders must not hold it.
        with nullcontext() if module.check_mode or step == "issue" else host_lock():
            result = STEPS[step](params, module.check_mode)
    except Refusal as refusal:
        module.fail_json(msg=f"certificates: {refusal}")
    except OSError as error:
        module.fail_json(msg=f"certificates: the host cannot do it: {error}; mend that and run again")
    module.exit_json(**result)


def _default_server(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    standing = key_pairs.is_self_signed(DEFAULT, DEFAULT_NAMES)
    return _apply({DEFAULT: None if standing else key_pairs.self_signed(DEFAULT_NAMES)}, check_mode)


def _provide(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring every site a certificate it can begin with; tell which apps the step issue has something to do for."""
    serving = [app for app in params["apps"] if app["mode"] != "none"]
    if serving and not check_mode:  # there the role nginx has changed nothing
        site.check_default_server()
    missing = bool(params["renewal"]) and not certbot.is_installed()
    if missing and not check_mode:
        certbot.install()
    renewal = None if params["renewal"] is None else lineages.renewal(params["renewal"])
    if renewal and not check_mode:
        renewal.apply()
    result = _apply({app["name"]: _pair(app, params["pairs"].get(app["name"])) for app in serving}, check_mode)
    for app in serving if not check_mode else []:
        if app["mode"] != "acme":
            Lineage(app["name"]).stop_serving()
    due = [app["name"] for app in params["apps"] if _is_due(app)]
    changed = result["changed"] or missing or due or (renewal and renewal.changed)
    return {**result, "changed": bool(changed), "due": due}


def _apply(wanted: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring pairs to the host; None where the one that stands there will do."""
    transaction = key_pairs.transaction(wanted)
    result = {
        "changed": transaction.changed,
        "written": [*transaction.missing, *(file.path for file in transaction.written)],
        "diff": transaction.diff(),
    }
    if transaction.changed and not check_mode:
        try:
            transaction.apply()
        except Refusal as refusal:
            raise Refusal(f"{refusal}\n{UNCHANGED}") from refusal
    return result


def _is_due(app: dict[str, Any]) -> bool:
    """Tell whether an authority has to issue, nginx to be given, or certbot to forget a certificate."""
    lineage = Lineage(app["name"])
    if app["mode"] != "acme":
        return lineage.exists
    return bool(_order(app).lack(lineage)) or not lineage.is_taken()


def _issue(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Order what is due, app by app, so that one that fails keeps no other from its own; forget what nobody orders any more."""
    failures = lineages.issue([_order(app) for app in params["apps"] if app["mode"] == "acme"])
    for app in params["apps"]:
        if app["mode"] != "acme":
            Lineage(app["name"]).forget()
    if not params["renews"] and not host_facts.lineages():
        lineages.renewal([]).apply()
    if failures:
        raise Refusal("\n".join(failures))
    return {"changed": True}


def _order(app: dict[str, Any]) -> Order:
    return Order(app["name"], tuple(app["names"]), **app["order"])


def _pair(app: dict[str, Any], given: dict[str, Any] | None) -> Pair | None:
    if app["mode"] == "files":
        return Pair(**(given or {}))
    standing = os.path.exists(key_pairs.place(app["name"]))
    if standing and (app["mode"] == "acme" or key_pairs.is_self_signed(app["name"], app["names"])):
        return None
    # That of the app that it was until now is better than one which no browser knows.
    inherited = key_pairs.standing(app["renamed_from"]) if app["renamed_from"] else None
    if inherited and (app["mode"] == "acme" or key_pairs.is_self_signed(app["renamed_from"], app["names"])):
        return inherited
    return key_pairs.self_signed(app["names"])


STEPS = {"provide": _provide, "issue": _issue, "default_server": _default_server}

if __name__ == "__main__":
    main()
