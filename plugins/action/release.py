# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.release: digests, rendering, comparison, and carrying over what a host does not have."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
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
                "apps": {"type": "list", "elements": "dict", "required": True},
                "host": {"type": "dict", "required": True},
                "uwsgi_template": {"default": "uwsgi.ini.j2"},
                "nginx_template": {"default": "nginx.conf.j2"},
            }
        )
        apps = self._arguments["apps"]
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
        return {**result, **_without_secrets(deployed, changed)} if deployed.get("failed") else result

    def _rendered(self, app: Result, seen: Result) -> Rendered:
        """The app's release for this host. In check mode a host may still lack what the release is built on."""
        name, layout = app["name"], Layout(app["name"])
        if not seen["uwsgi"] and not self._task.check_mode:
            raise AnsibleActionFail(
                f"app '{name}': there is no uWSGI for Python {seen['python']} on this host; apply the role emperor.flask.uwsgi_emperor first"
            )
        try:
            stage = Stage.read(app, seen["python"])
        except Refusal as refusal:
            raise AnsibleActionFail(f"Nothing was changed, because:\n- app '{name}': {refusal}") from refusal
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
        uwsgi_ini = render(self, self._arguments["uwsgi_template"], variables)
        nginx_conf = render(self, self._arguments["nginx_template"], variables)
        return Rendered(stage, app, seen["python"], seen["uwsgi"] or "to be built", uwsgi_ini, nginx_conf)

    def _deploy(self, releases: list[Rendered], seen: Result) -> Result:
        """Send the code the host lacks, then run the module; the archives go away again whatever happens."""
        remote = self._make_tmp_path()
        try:
            requests = []
            for release in releases:
                request = release.request()
                if release.stage.code not in seen[release.app["name"]]["codes"]:
                    request["archive"] = self._send(release, remote)
                requests.append({**_request(release.app), "rendered": request})
            secrets = {release.app["name"]: release.secrets for release in releases}
            return self._module("deploy", requests, secrets=secrets)
        finally:
            self._remove_tmp_path(remote)

    def _send(self, release: Rendered, folder: str) -> str:
        remote = self._connection._shell.join_path(folder, f"{release.app['name']}.tar.gz")
        with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
            local = Path(scratch, "code.tar.gz")
            release.stage.source.archive(local)
            self._transfer_file(str(local), remote)
        return remote

    def _module(self, step: str, apps: list[Result], **more: Any) -> Result:
        return self._execute_module(MODULE, module_args={"step": step, "apps": apps, **more}, task_vars=self._vars)


def _request(app: Result) -> Result:
    host = app["server_names"][0] if app["server_names"] else "localhost"
    return {
        "name": app["name"],
        "python": app["python"],
        "default_server": not app["server_names"],
        "health": {**app["health"], "host": host},
    }


def _line(release: Rendered, seen: Result, changed: bool) -> Result:
    return {"app": release.app["name"], "before": seen["release"], "release": release.identity, "changed": changed}


def _without_secrets(result: Result, releases: list[Rendered]) -> Result:
    """The failure with every secret blotted out: an app may have written one into its log."""
    message = str(result.get("msg", ""))
    for release in releases:
        for value in map(str, release.app["secrets"].values()):
            if len(value) >= SHORT:
                message = message.replace(value, "********")
    return {**result, "msg": message}
