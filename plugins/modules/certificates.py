#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring the certificates of sites to a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certificates
short_description: Bring the certificates of sites to a host
description:
  - Every entry of C(flask_apps) whose C(tls.mode) is not C(none) gets C(/etc/nginx/certificates/<app>/fullchain.pem) and C(key.pem), which
    only root can read. They are no part of a release, so a renewed certificate stays renewed through a rollback; they go when the app goes.
  - One round trip for all apps, none where no app is served over TLS. Keys are made on the host, or travel in arguments that no log shows.
  - A changed certificate is tested with the whole configuration before nginx reloads; if nginx refuses it, the one before is put back.
author: emperor.flask maintainers
options:
  step:
    description:
      - C(provide) brings C(files) from the controller and makes C(self_signed) ones, which also stand in where an authority has issued none yet.
        A self-signed one is made anew when it lacks a name, or ends in less than 30 days.
      - C(default_server) makes the self-signed one that an nginx before 1.19.4 needs for its default server on port 443.
    type: str
    choices: [provide, default_server]
    required: true
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: Says which files change; nothing of them is shown.}
"""

EXAMPLES = r"""
- name: Provide the certificates of the sites
  emperor.flask.certificates:
    step: provide
"""

RETURN = r"""
written: {description: Paths that were written or given another owner or mode., type: list, elements: str, returned: where an app is served over TLS}
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils import certificates, host, site
from ansible_collections.emperor.flask.plugins.module_utils.certificates import Pair
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal

# What the controller's half sends for each app, not what a user writes: that is in DOCUMENTATION.
APP = {"name": {"required": True}, "mode": {"required": True}, "names": {"type": "list", "elements": "str"}}
DEFAULT = "default"  # no app can have this name


def main() -> None:
    """Provide, or in check mode say what would be provided."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": ["provide", "default_server"], "required": True},
            "apps": {"type": "list", "elements": "dict", "default": [], "options": APP},
            # By app. At the top level, where Ansible keeps it out of the host's journal too.
            "pairs": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    if module.check_mode and host.nginx_group() is None:  # nginx is still to be installed
        module.exit_json(changed=True, written=[])
    try:
        if module.params["step"] == "provide" and not module.check_mode:  # there the role nginx has changed nothing
            site.check_default_server()
        transaction = certificates.transaction(_wanted(module.params))
        result = {
            "changed": transaction.changed,
            "written": [*transaction.missing, *(file.path for file in transaction.written)],
            "diff": transaction.diff(),
        }
        if transaction.changed and not module.check_mode:
            transaction.apply()
    except Refusal as refusal:
        module.fail_json(msg=f"certificates: {refusal}\nNothing was changed: nginx serves with the ones it had.")
    except OSError as error:
        module.fail_json(msg=f"certificates: the host cannot do it: {error}; mend that and run again")
    module.exit_json(**result)


def _wanted(params: dict) -> dict:
    """The pair of each app; None where the one that stands there will do."""
    if params["step"] == "default_server":
        names = ["default.invalid"]
        return {DEFAULT: None if certificates.is_self_signed(DEFAULT, names) else certificates.self_signed(names)}
    return {app["name"]: _pair(app, params["pairs"].get(app["name"])) for app in params["apps"]}


def _pair(app: dict, given: dict | None) -> Pair | None:
    if app["mode"] == "files":
        return Pair(**given)
    standing = all(map(os.path.exists, certificates.paths(app["name"])))
    if standing and (app["mode"] == "acme" or certificates.is_self_signed(app["name"], app["names"])):
        return None
    return certificates.self_signed(app["names"])


if __name__ == "__main__":
    main()
