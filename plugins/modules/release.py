#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring apps' releases to life on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Bring apps' releases to life
description:
  - For every entry of C(flask_apps), packs its code, renders its configuration and gives the whole a digest, the release's id. Where the host serves that
    release with these secrets and is healthy, nothing is done, in one round trip for all apps.
  - Otherwise the app gets its Unix user and folders, its code and virtual environment (once per content), and a candidate vassal on
    a socket of its own. Only when that answers the health request is the socket's link renamed, and the old vassal finishes its requests and goes.
  - A failure before that takes the candidate away again and leaves the live release serving.
author: emperor.flask maintainers
options:
  host:
    description: Host as M(emperor.flask.validate) returns it.
    type: dict
    required: true
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: "Shows environment and both configurations of a release; secrets never appear."}
"""

EXAMPLES = r"""
- name: Release every app
  emperor.flask.release:
    host: "{{ __flask_app_input.host }}"
"""

RETURN = r"""
releases:
  description: "For each app: the app's name, the release before, the release now, and whether it changed."
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils import vassal
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.engine import App
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.store import Release
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_client import Health

# What the controller's half sends, not what a user writes: that is in DOCUMENTATION.
TEXT = {"required": True}
HEALTH = {"path": TEXT, "status": {"type": "list", "elements": "str"}, "timeout": {"type": "int"}, "host": TEXT}
APP = {
    "name": TEXT,
    "python": TEXT,
    "default_server": {"type": "bool", "required": True},
    "health": {"type": "dict", "required": True, "options": HEALTH},
    "release": {"type": "dict"},
    "archive": {},
}


def main() -> None:
    """Step ``look`` answers what the controller plans with; step ``deploy`` does what it has planned."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": ["look", "deploy"], "required": True},
            "apps": {"type": "list", "elements": "dict", "required": True, "options": APP},
            # By app. At the top level, where Ansible keeps it out of the host's journal too.
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    try:
        if module.params["step"] == "look":
            module.exit_json(changed=False, apps={item["name"]: _app(item).look() for item in module.params["apps"]})
        _deploy(module)
    except OSError as error:
        module.fail_json(msg=f"the host cannot do it: {error}; mend that and run again")


def _deploy(module: AnsibleModule) -> None:
    deployed: list[str] = []
    for item in module.params["apps"]:
        app, release = _app(item), Release(**item["release"])
        serving = vassal.live(app.layout)
        try:
            app.deploy(release, item["archive"], module.params["secrets"].get(item["name"], ""))
        except (Refusal, OSError) as error:
            rest = "What it served before, it serves on." if serving else "It was not served before."
            module.fail_json(msg=f"app '{item['name']}': {error}\n{rest}", changed=bool(deployed), deployed=deployed)
        deployed.append(item["name"])
    module.exit_json(changed=True, deployed=deployed)


def _app(item: dict) -> App:
    health = item["health"]
    request = Health(health["path"], tuple(health["status"]), health["timeout"], health["host"], item["name"])
    return App(Layout(item["name"]), item["default_server"], item["python"], request)


if __name__ == "__main__":
    main()
