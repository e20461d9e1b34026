# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.release: digests, rendering, comparison, and carrying over what a host does not have."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.releases import Rendered, Stage
from ansible_collections.emperor.flask.plugins.plugin_utils.rendering import render

Result = dict[str, Any]
MODULE = "emperor.flask.release"
SHORT = 4  # a secret of fewer characters is not blotted out of messages: it would blot out much else


class ActionModule(ActionBase):
    """Look at the host once; where something differs, send it and deploy."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result with a diff and a line per app."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        _, self._arguments = self.validate_argument_spec(
            {
                "host": {"type": "dict", "required": True},
            }
        )
        apps, mistakes = Inventory(self, self._vars).apps()
        if mistakes:
            raise AnsibleActionFail("\n".join(mistakes))
        looked = self._module("look", [_request(app) for app in apps])
        if looked.get("failed"):
            return looked
        seen = looked["apps"]
        releases = [self._rendered(app, seen[app["name"]]) for app in apps]
        changed = [release for release in releases if not release.is_live(seen[release.app["name"]])]
        result: Result = {
            "changed": bool(changed),
            "diff": [part for release in changed for part in release.diff(seen[release.app["name"]])],
            "releases": [_line(release, seen[release.app["name"]], release in changed) for release in releases],
        }
        if not changed or self._task.check_mode:
            return result
        deployed = self._deploy(changed, seen)
        return _failure(result, deployed, changed) if deployed.get("failed") else result

    def _rendered(self, app: Result, seen: Result) -> Rendered:
        """The app's release for this host. In check mode a host may still lack what the release is built on."""
        name, layout = app["name"], Layout(app["name"])
        if not seen["nginx_group"] and not self._task.check_mode:
            raise AnsibleActionFail(
                f"app '{name}': nginx is not set up on this host; apply the role emperor.flask.nginx first"
            )
        if not seen["uwsgi"] and not self._task.check_mode:
            raise AnsibleActionFail(
                f"app '{name}': there is no uWSGI for Python {seen['python']} on this host; apply the role emperor.flask.uwsgi_emperor first"
            )
        stage = Stage.read(app, seen["python"])
        code = layout.code(stage.code)
        variables = {
            **self._vars,
            "app": app,
            "host": self._arguments["host"],
            "socket": layout.socket,
            "code": code,
            "venv": layout.venv(stage.venv),
            "pythonpath": [str(Path(code, part)) for part in stage.pythonpath],
        }
        uwsgi_ini = render(self, app["vassal_template"] or "uwsgi.ini.j2", variables)
        nginx_conf = render(self, app["nginx_template"] or "nginx.conf.j2", variables)
        return Rendered(stage, app, seen["python"], seen["uwsgi"] or "to be built", uwsgi_ini, nginx_conf)

    def _deploy(self, releases: list[Rendered], seen: Result) -> Result:
        """Send the code the host lacks, then run the module. Ansible takes the folder of the archives away after the task."""
        requests = []
        for release in releases:
            request = {**_request(release.app), "release": release.request()}
            if release.stage.code not in seen[release.app["name"]]["codes"]:
                request["archive"] = self._send(release)
            requests.append(request)
        return self._module("deploy", requests, {release.app["name"]: release.secrets for release in releases})

    def _send(self, release: Rendered) -> str:
        folder = self._connection._shell.tmpdir or self._make_tmp_path()
        remote = self._connection._shell.join_path(folder, f"{release.app['name']}.tar.gz")
        with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
            local = Path(scratch, "code.tar.gz")
            release.stage.source.archive(local)
            self._transfer_file(str(local), remote)
        return remote

    def _module(self, step: str, apps: list[Result], secrets: dict[str, str] | None = None) -> Result:
        arguments = {"step": step, "apps": apps, "secrets": secrets or {}}
        return self._execute_module(MODULE, module_args=arguments, task_vars=self._vars)


def _request(app: Result) -> Result:
    """What the module is told of an app. Its first plain name is the one its health is asked under."""
    names = [name for name in app["server_names"] if not set(name) & set("*~^$")]
    return {
        "name": app["name"],
        "python": app["python"],
        "default_server": not app["server_names"],
        "health": {**app["health"], "host": names[0] if names else "localhost"},
    }


def _line(release: Rendered, seen: Result, changed: bool) -> Result:
    return {"app": release.app["name"], "before": seen["release"], "release": release.identity, "changed": changed}


def _failure(planned: Result, result: Result, releases: list[Rendered]) -> Result:
    """The module's failure, with what it did before it, and with every secret blotted out: an app may have logged one."""
    for key in ("msg", "exception", "module_stdout", "module_stderr"):
        if isinstance(result.get(key), str):
            result[key] = _blotted(result[key], releases)
    deployed = result.get("deployed", [])
    lines = [{**line, "changed": line["app"] in deployed} for line in planned["releases"]]
    return {**planned, **result, "changed": bool(deployed), "releases": lines}


def _blotted(text: str, releases: list[Rendered]) -> str:
    for release in releases:
        for value in map(str, release.app["secrets"].values()):
            if len(value) >= SHORT:
                text = text.replace(value, "********")
    return text
