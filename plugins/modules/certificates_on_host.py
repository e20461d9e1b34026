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
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.tls import certbot, key_pairs, lineages, sharing
from ansible_collections.emperor.flask.plugins.module_utils.tls.key_pairs import Pair
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage, Order

APP = {
    "name": {"required": True},
    "renamed_from": {},
    "mode": {"required": True},
    "names": {"type": "list", "elements": "str"},
    "order": {"type": "dict"},  # of mode acme: directory and email
}
AUTHORITYS = ("acme", "shared")  # issued by an authority: to this host, or to the balancer that orders for all
DEFAULT = "default"  # no app can have this name
DEFAULT_NAMES = ["default.invalid"]
UNCHANGED = "Nothing was changed: nginx serves with the ones it had."

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"choices": ["provide", "issue", "read", "share", "default_server"], "required": True},
    "apps": {"type": "list", "elements": "dict", "default": [], "options": APP},
    "complete": {"type": "bool", "default": False},  # whether no other app has a site on this host
    "renewal": {"type": "list", "elements": "dict"},  # files; none to take them away, null to leave them
    "renews": {"type": "bool", "default": True},  # whether any app still has a certificate of an authority
    "orders": {"type": "bool", "default": True},  # whether this host orders certificates, or the first balancer for all
    "shares": {"type": "bool", "default": False},  # whether there are other balancers, and certificates of an authority
    "others": {"type": "list", "elements": "str"},  # of the first balancer: the other ones
    # The certificates that balancers know each other by: the first knows those of the others, and these know the first's.
    "known": {"type": "dict", "default": {}},
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
    missing = bool(params["renewal"]) and params["orders"] and not certbot.is_installed()
    if missing and not check_mode:
        certbot.install()
    timer = lineages.TIMER if params["orders"] else sharing.TIMER
    renewal = None if params["renewal"] is None else lineages.renewal(params["renewal"], timer)
    if renewal and not check_mode:
        renewal.apply()
    gone = _others({app["name"] for app in serving}) if params["complete"] else []
    result = _apply({app["name"]: _pair(app, params["pairs"].get(app["name"])) for app in serving}, check_mode)
    led = [_lead(app) for app in serving] if not check_mode else []
    ended = not check_mode and params["complete"] and not params["shares"] and sharing.end()
    due = [app["name"] for app in params["apps"] if _is_due(app)] + gone
    changed = result["changed"] or missing or due or (renewal and renewal.changed) or any(led) or ended
    return {**result, "changed": bool(changed), "due": due}


def _lead(app: dict[str, Any]) -> bool:
    """Let an app have its certificate from where its mode says, and forget what is kept of the first balancer's otherwise; tell whether that is new."""
    name, lineage = app["name"], Lineage(app["name"])
    if app["mode"] == "shared":  # until the first balancer has one, what stands there is kept
        standing = key_pairs.standing(name)
        return bool(not sharing.is_held(name) and standing and sharing.hold(name, standing))
    if app["mode"] != "acme":
        lineage.stop_serving()
    return (app["mode"] != "acme" or lineage.is_taken()) and sharing.drop(name)


def _others(names: set[str]) -> list[str]:
    """The apps that have a certificate here, or one that certbot renews, and are none of these."""
    owned = {os.path.basename(os.path.dirname(path)) for path in Record.load(key_pairs.SET).owned} - {DEFAULT}
    return sorted((owned | set(host_facts.lineages())) - names)


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
    if gone := [app["name"] for app in params["apps"] if app["mode"] == "gone"]:
        key_pairs.transaction({}, gone=gone).apply()
        for name in gone:
            remove_tree(Lineage(name).folder)
            sharing.drop(name)
    if not params["renews"] and not host_facts.lineages():
        lineages.renewal([], None).apply()
    if failures:
        raise Refusal("\n".join(failures))
    return {"changed": True}


def _order(app: dict[str, Any]) -> Order:
    return Order(app["name"], tuple(app["names"]), **app["order"])


def _read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """What this balancer is known by; of the first, the certificates too that certbot has got, as nginx has them."""
    names = [app["name"] for app in params["apps"] if Lineage(app["name"]).is_taken()]
    pairs = {name: key_pairs.standing(name) for name in names}
    known, made = sharing.identity()
    return {"changed": made, "known": known, "pairs": {name: asdict(pair) for name, pair in pairs.items() if pair}}


def _share(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring another balancer what the first has got, and tell both whom to believe when it is renewed."""
    if params["others"] is not None:
        return {"changed": sharing.seal_for(params["others"], params["known"])}
    pairs = {name: Pair(**pair) for name, pair in params["pairs"].items()}
    result = _apply(dict(pairs), check_mode)
    held = [sharing.hold(name, pair) for name, pair in pairs.items()]
    followed = [sharing.follow(first) for first in params["known"].values()]
    return {**result, "changed": result["changed"] or any([*held, *followed])}


def _pair(app: dict[str, Any], given: dict[str, Any] | None) -> Pair | None:
    if app["mode"] == "files":
        return Pair(**(given or {}))
    standing = os.path.exists(key_pairs.place(app["name"]))
    if standing and (app["mode"] in AUTHORITYS or key_pairs.is_self_signed(app["name"], app["names"])):
        return None
    # That of the app that it was until now is better than one which no browser knows.
    inherited = key_pairs.standing(app["renamed_from"]) if app["renamed_from"] else None
    if inherited and (app["mode"] in AUTHORITYS or key_pairs.is_self_signed(app["renamed_from"], app["names"])):
        return inherited
    return key_pairs.self_signed(app["names"])


STEPS = {"provide": _provide, "issue": _issue, "read": _read, "share": _share, "default_server": _default_server}

if __name__ == "__main__":
    main()
