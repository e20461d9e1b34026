# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release as the controller sees it: what goes into its identity, and whether a host has it already."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.background import definitions
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import SCHEMA, hook_key, keyed_digest
from ansible_collections.emperor.flask.plugins.module_utils.release.shell_exports import exports
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import limits, tls
from ansible_collections.emperor.flask.plugins.plugin_utils.release import differences
from ansible_collections.emperor.flask.plugins.plugin_utils.release.code_and_packages import Stage

ID_LENGTH = 12  # hexadecimal digits of the digest: short enough for a socket's path, long enough never to meet again


@dataclass(frozen=True)
class Rendered:
    """A release, complete; its id is the digest of everything but the secrets. ``pythonpath`` are folders of the host."""

    stage: Stage
    app: dict[str, Any]
    python: str
    uwsgi: str
    pythonpath: list[str]
    uwsgi_ini: str
    nginx_conf: str

    @property
    def hook_key(self) -> str:
        """What its hooks before the switch are run for."""
        return hook_key(self.stage.code, self.env, self.app["hooks"]["before_switch"])

    @property
    def env(self) -> str:
        """The environment as a file of exports; FLASK_APP first, so that ``flask shell`` finds the app and a user can say otherwise."""
        return exports({"FLASK_APP": self.app["module"], **_texts(self.app["env"])})

    @property
    def secrets(self) -> str:
        """The secrets as a file of exports."""
        return exports(_texts(self.app["secrets"]))

    @property
    def host(self) -> str:
        """The name its health is asked under: the canonical one, else the first of its plain names."""
        names = [name for name in self.app["server_names"] if name[0] != "." and not set(name) & set("*~^$")]
        return next(filter(None, [self.app["canonical_host"], *names]), "localhost")

    @property
    def scheme(self) -> str:
        """What it is served over."""
        return "https" if tls.serves(self.app) else "http"

    @property
    def manifest(self) -> dict[str, Any]:
        """What the release was made of and where that is from, for people and for later runs."""
        return {**self._contents, "origin": self.stage.origin}

    @property
    def _contents(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "app": self.app["name"],
            "module": self.app["module"],
            "code": self.stage.code,
            "venv": self.stage.venv,
            "python": self.python,
            "uwsgi": self.uwsgi,
            "interpreter": Layout(self.app["name"]).interpreter(self.stage.venv),
            "pythonpath": self.pythonpath,
            "default_server": not self.app["server_names"],
            "health": {**self.app["health"], "host": self.host, "scheme": self.scheme},
            "hooks": self.app["hooks"],
            "timeouts": self.app["timeouts"],
            **({"idle": self.app["idle"]} if self.app["idle"] else {}),
            "limits": {"files": self.app["limits"]["files"], "log": limits.size(self.app["limits"]["log"])},
            "shared": self.app["shared"],
            "static": self.app["static"],
            "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.files().items()},
        }

    @property
    def identity(self) -> str:
        """The release's id, the same on every host with the same Python and uWSGI."""
        return hashlib.sha256(json.dumps(self._contents, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]

    @property
    def background(self) -> str:
        """The workers and timers as a file; empty where there are none."""
        if not self.app["workers"] and not self.app["timers"]:
            return ""
        return json.dumps({key: self.app[key] for key in ("workers", "timers")}, indent=2, sort_keys=True) + "\n"

    def files(self) -> dict[str, str]:
        """The texts of the release's folder; an app without workers and timers has no file for them, and so the identity that it always had."""
        files = {"env": self.env, "uwsgi.ini": self.uwsgi_ini, "nginx.conf": self.nginx_conf}
        return files | ({definitions.FILE: self.background} if self.background else {})

    def is_live(self, seen: dict[str, Any]) -> bool:
        """Tell whether a host serves this release with these secrets, healthy, everything in its place."""
        return (
            seen["release"] == self.identity
            and not seen["findings"]
            and keyed_digest(seen["secrets"]["salt"], self.secrets) == seen["secrets"]["digest"]
        )

    def why(self, seen: dict[str, Any]) -> str:
        """What is not as it should be on a host that does not serve this release as it should."""
        if not seen["release"]:
            return "it is new on this host"
        other = self._other(seen) if seen["release"] != self.identity else []
        if keyed_digest(seen["secrets"]["salt"], self.secrets) != seen["secrets"]["digest"]:
            other.append("secrets")
        return f"other {', '.join(other)}" if other else str(seen["findings"][0]["meaning"])

    def _other(self, seen: dict[str, Any]) -> list[str]:
        """What the live release has otherwise; of one that this version cannot read, that it is another."""
        found = (
            differences.parts(seen["manifest"], self._contents, seen["files"], self.files()) if seen["manifest"] else []
        )
        return found or ["release"]

    def diff(self, seen: dict[str, Any]) -> list[dict[str, str]]:
        """What changes for the app, as Ansible's diff shows it; the code by its digest, the secrets not at all."""
        name = self.app["name"]
        return [
            {
                "before_header": f"{name}: {file}",
                "after_header": f"{name}: {file}",
                "before": before,
                "after": text,
            }
            for file, before in seen["files"].items()
            if before != (text := self.files().get(file, ""))
        ]

    def request(self) -> dict[str, Any]:
        """What the module is told of the release: the fields of identity.Release."""
        return {
            "identity": self.identity,
            "source": self.stage.digest,
            "code": self.stage.code,
            "venv": self.stage.venv,
            "packages": asdict(self.stage.packages),
            "env": self.env,
            "uwsgi_ini": self.uwsgi_ini,
            "nginx_conf": self.nginx_conf,
            "manifest": self.manifest,
            "static": self.stage.static,
            "packaged": self.stage.source.package is not None,
            "instances": self.stage.instances,
            "background": self.background,
        }


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in values.items()}
