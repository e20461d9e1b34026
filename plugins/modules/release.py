#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring apps' releases to life on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Bring apps' releases to life
description:
  - For every app, packs its code, renders its configuration and gives the whole a digest, the release's id. Where the host serves that
    release with these secrets and is healthy, nothing is done, in one round trip for all apps.
  - Otherwise the app gets its Unix user and folders, its code and virtual environment (once per content), and a candidate vassal on
    a socket of its own. Only when that answers the health request is the socket's link renamed, and the old vassal finishes its requests and goes.
  - A failure before that takes the candidate away again and leaves the live release serving.
author: emperor.flask maintainers
options:
  apps:
    description: Apps as M(emperor.flask.validate) returns them.
    type: list
    elements: dict
    required: true
  host:
    description: Host as M(emperor.flask.validate) returns it.
    type: dict
    required: true
  uwsgi_template:
    description: Template of the vassal's options.
    type: str
    default: uwsgi.ini.j2
  nginx_template:
    description: Template of the app's site.
    type: str
    default: nginx.conf.j2
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: "Shows environment and both configurations of a release; secrets never appear."}
"""

EXAMPLES = r"""
- name: Release every app
  emperor.flask.release:
    apps: "{{ __flask_app_input.apps }}"
    host: "{{ __flask_app_input.host }}"
"""

RETURN = r"""
releases:
  description: "For each app: O(apps)' name, the release before, the release now, and whether it changed."
  type: list
  elements: dict
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils import nginx
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.engine import App
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.store import Environment, Release
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_client import Health

# What the controller's half sends, not what a user writes: that is in DOCUMENTATION.
TEXT = {"required": True}
RENDERED = {
    "release": TEXT,
    "code": TEXT,
    "archive": {},
    "venv": TEXT,
    "requirements": {"type": "list", "elements": "str", "required": True},
    "env": TEXT,
    "secrets": {"required": True, "no_log": True},
    "uwsgi_ini": TEXT,
    "nginx_conf": TEXT,
    "uwsgi": TEXT,
    "manifest": {"type": "dict", "required": True},
}
APP = {
    "name": TEXT,
    "python": TEXT,
    "default_server": {"type": "bool", "required": True},
    "health": {
        "type": "dict",
        "required": True,
        "options": {
            "path": TEXT,
            "status": {"type": "list", "elements": "str"},
            "timeout": {"type": "int"},
            "host": TEXT,
        },
    },
    "rendered": {"type": "dict", "options": RENDERED},
}


def main() -> None:
    """Step ``look`` answers what the controller plans with; step ``deploy`` does what it has planned."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": ["look", "deploy"], "required": True},
            "apps": {"type": "list", "elements": "dict", "required": True, "options": APP},
        },
        supports_check_mode=True,
    )
    apps = {item["name"]: (_app(item), item["rendered"]) for item in module.params["apps"]}
    if module.params["step"] == "look":
        module.exit_json(changed=False, apps={name: app.look() for name, (app, _) in apps.items()})
    deployed: list[str] = []
    for name, (app, rendered) in apps.items():
        try:
            _deploy(app, rendered)
        except Refusal as refusal:
            module.fail_json(
                msg=f"app '{name}': {refusal}\nWhat it served before, it serves on.", changed=bool(deployed)
            )
        deployed.append(name)
    nginx.dismiss()
    module.exit_json(changed=True)


def _app(item: dict) -> App:
    health = item["health"]
    request = Health(health["path"], tuple(health["status"]), health["timeout"], health["host"])
    return App(Layout(item["name"]), item["default_server"], item["python"], request)


def _deploy(app: App, rendered: dict) -> None:
    release = Release(
        identity=rendered["release"],
        code=rendered["code"],
        venv=rendered["venv"],
        env=rendered["env"],
        uwsgi_ini=rendered["uwsgi_ini"],
        nginx_conf=rendered["nginx_conf"],
        manifest=rendered["manifest"],
    )
    environment = Environment(rendered["venv"], app.python, tuple(rendered["requirements"]))
    app.deploy(release, environment, rendered["archive"], rendered["uwsgi"], rendered["secrets"])


if __name__ == "__main__":
    main()
