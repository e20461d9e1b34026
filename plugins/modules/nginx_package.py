#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install nginx from nginx.org's repository or from the distribution's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_package
short_description: Install nginx from nginx.org or from the distribution
description:
  - The repository's signing keys are fetched to the controller and read there packet by packet; only those whose fingerprint is
    pinned are sent to the host, which needs no gpg.
  - Keys, C(.sources) and pin are one transaction with apt's own verification of the repository, the choice of the version, the download
    of the package and its installation. Whichever fails, the files are put back, and the nginx that serves goes on serving.
  - A host that serves with the other package is moved over while it serves. No question is asked, no configuration file is replaced, and
    no service is started or stopped. The new account of nginx joins the old one's group until M(emperor.flask.release) has given
    every app's sockets to the new group.
author: emperor.flask maintainers
options:
  step:
    description:
      - V(install) installs. V(renew_keys) only replaces keys of nginx.org that a host trusts already, so that an expired one does not block
        apt. V(hand_over) lets the installed program take over from the one that runs, without refusing a connection.
    type: str
    choices: [install, renew_keys, hand_over]
    default: install
  origin:
    description: Where nginx comes from.
    type: str
    choices: [nginx.org, distribution]
    default: distribution
  version:
    description: Version, with or without the package's revision. Empty, the newest at the time nginx is installed.
    type: str
    default: ""
  user:
    description: Account of nginx's workers in that package.
    type: str
  url:
    description: URL of the repository, for messages.
    type: str
    default: ""
  codename:
    description: The host's codename, for messages.
    type: str
    default: ""
  signing_keys:
    description: Fingerprints of the keys that may sign the repository.
    type: list
    elements: str
    default: []
  signing_key_url:
    description: URL of the file of keys, or a path on the controller.
    type: str
    default: ""
  holes:
    description:
      - Known holes to warn of where nginx is from V(nginx.org), each with C(name), C(first), the first version that has it, and C(fixed), the
        first that has not.
    type: list
    elements: dict
    default: []
attributes:
  check_mode: {support: partial, description: "Tells what would change; whether the repository has a version, only a run can tell."}
  diff_mode: {support: full, description: Shows each file of apt's that changes.}
"""

EXAMPLES = r"""
- name: Install nginx
  emperor.flask.nginx_package:
    origin: distribution
"""

RETURN = r"""
version: {description: "Version that is installed, None in check mode on a new host.", type: str, returned: "O(step=install)"}
outdated: {description: Whether nginx runs another program than the installed one., type: bool, returned: "O(step=install)"}
"""

from contextlib import nullcontext

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import apt, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, program
from ansible_collections.emperor.flask.plugins.module_utils.nginx.package import Supply

# What nginx.org's own instructions make people write: beside ours, apt would refuse the same repository with two keys.
OTHERS_SOURCES = ["/etc/apt/sources.list.d/nginx.list", "/etc/apt/preferences.d/99nginx"]
KEYRINGS = "/etc/apt/keyrings"


def main() -> None:
    """Run one step."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": ["install", "renew_keys", "hand_over"], "required": True},
            "origin": {"choices": ["nginx.org", "distribution"], "default": "distribution"},
            "version": {"default": ""},
            "user": {},
            "url": {"default": ""},
            "codename": {"default": ""},
            "files": {"type": "dict", "default": {}},
            "sources": {},
        },
        supports_check_mode=True,
    )
    step = {"install": _install, "renew_keys": _renew_keys, "hand_over": _hand_over}[module.params["step"]]
    try:
        with nullcontext() if module.check_mode else host_lock():
            result = step(module.params, module.check_mode)
    except (Refusal, OSError) as refusal:
        module.fail_json(msg=f"nginx: {refusal}")
    module.exit_json(**result)


def _install(params: dict, check_mode: bool) -> dict:
    from_nginx_org = params["origin"] == "nginx.org"
    supply = Supply(
        record=Record.load("nginx_package"),
        files=_files(params),
        directories={KEYRINGS: Access(0o755)} if from_nginx_org else {},
        absent=OTHERS_SOURCES,
        sources=params["sources"] if from_nginx_org else None,
        url=params["url"],
        codename=params["codename"],
        wanted=params["version"],
    )
    changed, diff = supply.changed, supply.diff()
    if supply.moving:
        wanted = f"nginx {params['version']} from {supply.place}".replace("  ", " ")
        diff.append({"before": f"nginx {supply.installed or 'is not installed'}\n", "after": f"{wanted}\n"})
    if not check_mode:
        if changed:
            supply.apply()
        group_change.leave_old_groups()  # where there is no app, nobody else does
        group_change.join_old_group(params["user"])
    return {
        "changed": changed,
        "diff": diff,
        "version": apt.installed("nginx"),
        "outdated": program.is_outdated(),
    }


def _renew_keys(params: dict, check_mode: bool) -> dict:
    files = [file for file in _files(params) if file.differs()]
    if not check_mode:
        for file in files:
            replace_file(file.path, file.content, file.access)
    return {"changed": bool(files)}


def _hand_over(params: dict, check_mode: bool) -> dict:
    outdated = program.is_outdated()
    if outdated and not check_mode and not program.hand_over():
        systemd.restart("nginx.service")
    return {"changed": outdated}


def _files(params: dict) -> list[File]:
    return [File(path, content.encode(), Access(0o644)) for path, content in params["files"].items()]


if __name__ == "__main__":
    main()
