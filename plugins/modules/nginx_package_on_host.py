#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.nginx_package."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nginx_package_on_host
short_description: The host half of emperor.flask.nginx_package
description:
  - Private. The action M(emperor.flask.nginx_package) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
attributes:
  check_mode: {support: partial, description: As that of the action., details: Whether the repository has a version only a run can tell.}
  diff_mode: {support: full, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.nginx_package calls it.
"""

RETURN = r""" # """

from contextlib import nullcontext
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import apt, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, program
from ansible_collections.emperor.flask.plugins.module_utils.nginx.package import Supply

# What nginx.org's own instructions make people write: beside ours, apt would refuse the same repository with two keys.
OTHERS_SOURCES = ["/etc/apt/sources.list.d/nginx.list", "/etc/apt/preferences.d/99nginx"]
KEYRINGS = "/etc/apt/keyrings"

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"choices": ["install", "renew_keys", "hand_over"], "required": True},
    "origin": {"choices": ["nginx.org", "distribution"], "default": "distribution"},
    "version": {"default": ""},
    "user": {},
    "url": {"default": ""},
    "codename": {"default": ""},
    "files": {"type": "dict", "default": {}},
    "sources": {},
}


def main() -> None:
    """Run one step."""
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    params = requested(module, REQUEST)
    step = {"install": _install, "renew_keys": _renew_keys, "hand_over": _hand_over}[params["step"]]
    try:
        with nullcontext() if module.check_mode else host_lock():
            result = step(params, module.check_mode)
    except (Refusal, OSError) as refusal:
        module.fail_json(msg=f"nginx: {refusal}")
    module.exit_json(**result)


def _install(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
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


def _renew_keys(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    files = [file for file in _files(params) if file.differs()]
    if not check_mode:
        for file in files:
            replace_file(file.path, file.content, file.access)
    return {"changed": bool(files)}


def _hand_over(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    outdated = program.is_outdated()
    if outdated and not check_mode and not program.hand_over():
        systemd.restart("nginx.service")
    return {"changed": outdated}


def _files(params: dict[str, Any]) -> list[File]:
    return [File(path, content.encode(), Access(0o644)) for path, content in params["files"].items()]


if __name__ == "__main__":
    main()
