#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.uwsgi_build."""

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_build_on_host
short_description: The host half of emperor.flask.uwsgi_build
description:
  - Private. The action M(emperor.flask.uwsgi_build) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
attributes:
  check_mode: {support: full, description: As that of the action.}
  diff_mode: {support: none, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.uwsgi_build calls it.
"""

RETURN = r""" # """

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import apt
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.python import uwsgi_build

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"choices": ["look", "build", "install", "link"], "required": True},
    "root": {"type": "path", "required": True},
    "version": {"required": True},
    "pythons": {"type": "list", "elements": "path", "required": True},
    "python": {"type": "path"},
    "checksum": {},
    "folder": {"type": "path"},
    "wheel": {"type": "path"},
    "sha256": {},
    "packages": {"type": "list", "elements": "str", "default": []},  # to build with, or to run with
}
REQUIRED_IF: list[Any] = [
    ("step", "build", ["python", "checksum", "folder"]),
    ("step", "install", ["python", "wheel", "sha256"]),
]


def main() -> None:
    """The host's half: ``look`` only looks; ``build`` and ``install`` make the tree of one interpreter; ``link`` mends ``current``."""
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    params = requested(module, REQUEST, REQUIRED_IF)
    step = params["step"]
    try:
        builds = uwsgi_build.plan(params["root"], params["version"], params["pythons"])
        if step == "look":
            module.exit_json(changed=False, **uwsgi_build.look(builds))
        result = {}
        with uwsgi_build.changing(builds):
            apt.have(params["packages"])
            for build in builds:
                if build.python == params["python"] and step == "build":
                    result = build.build(params["checksum"], params["folder"])
                    apt.retain(result["packages"])  # they came with the compiler
                elif build.python == params["python"] and step == "install":
                    build.install(params["wheel"], params["sha256"])
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
