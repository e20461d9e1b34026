# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of a release on one host: look, stage, start a candidate, switch, retire. DESIGN.md, section 3.

Whatever fails before the switch takes the candidate away again; the live release never stops serving.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import pwd
import secrets as randomness
import shutil
from dataclasses import dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils import host, site, store, systemd, vassal
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.files import Snapshot, ensure_directory, names_in
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_client import Health

TEXTS = ("env", "uwsgi.ini", "nginx.conf")  # the files of a release that a diff shows


def keyed_digest(salt: str, text: str) -> str:
    """HMAC-SHA-256 of secrets, so that host and controller can compare them without sending them."""
    return hmac.new(bytes.fromhex(salt), text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class App:
    """What is asked of one app on this host."""

    layout: Layout
    default_server: bool
    python: str
    health: Health

    def look(self) -> dict[str, Any]:
        """What the controller needs to know to plan: what there is to build on, what is live, and whether anything is amiss."""
        layout, activation = self.layout, vassal.live(self.layout)
        group, version = host.nginx_group(), host.python_version(self.python)
        ready = systemd.is_ready(layout.unit)
        return {
            "python": version,
            "uwsgi": host.uwsgi_binary(version) if version else None,
            "nginx_group": group,
            "codes": [name for name in names_in(os.path.join(layout.home, "code")) if not name.endswith(".partial")],
            "release": activation.release if activation else None,
            "healthy": bool(activation and ready) and vassal.is_healthy(layout, activation, self.health),
            "in_place": ready
            and bool(group)
            and not self._misplaced(group)
            and not vassal.leftovers(layout, activation),
            "secrets": self._secrets(activation),
            "files": {name: _text(os.path.join(layout.current, name)) for name in TEXTS},
        }

    def _misplaced(self, nginx_group: str) -> bool:
        """Tell whether a folder has another owner or mode than it should, or the site is not linked."""
        directories = self.layout.directories(nginx_group).items()
        amiss = any(not os.path.isdir(path) or access.differs(path) for path, access in directories)
        amiss = amiss or any(not os.path.exists(path) for path in self.layout.log_files())
        return amiss or not site.is_linked(self.layout, self.default_server)

    def _secrets(self, activation: vassal.Activation | None) -> dict[str, str] | None:
        if activation is None:
            return None
        salt = randomness.token_hex(16)
        return {"salt": salt, "digest": keyed_digest(salt, _text(vassal.secrets(self.layout, activation.number)))}

    def prepare(self) -> None:
        """Give the app its account and its folders."""
        layout, group = self.layout, host.nginx_group()
        if group is None:
            raise Refusal("nginx went away while this ran; apply the role emperor.flask.nginx and run again")
        try:
            account = pwd.getpwnam(layout.name)
        except KeyError:
            user = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
            run(["useradd", *user, "--home-dir", layout.home, "--comment", f"Flask app {layout.name}", layout.name])
        else:
            if account.pw_dir != layout.home:
                raise Refusal(
                    f"the account '{layout.name}' is not ours: its home is {account.pw_dir}; name the app otherwise"
                )
        os.makedirs(os.path.dirname(layout.home), 0o755, exist_ok=True)
        for path, access in layout.directories(group).items():
            ensure_directory(path, access)
        for path, access in layout.log_files().items():
            if not os.path.exists(path) or access.differs(path):
                with open(path, "ab"):
                    access.apply(path)

    def deploy(self, release: store.Release, archive: str | None, exports: str) -> None:
        """Bring a release to life, with its secrets as exports. Nothing is done that is done already."""
        layout = self.layout
        self.prepare()
        made: list[str] = []
        try:
            if store.stage_code(layout, release.code, archive, self.python):
                made.append(layout.code(release.code))
            if store.stage_venv(layout, release, self.python):
                made.append(layout.venv(release.venv))
            if store.make_release(layout, release):
                made.append(layout.release(release.identity))
            site.test(layout, release.nginx_conf, self.default_server)
            activation = self._activate(release, exports)
        except BaseException:
            for path in made:
                shutil.rmtree(path, ignore_errors=True)
            raise
        if _text(os.path.join(layout.current, "nginx.conf")) != release.nginx_conf:
            site.owe_reload()
        vassal.switch(layout, activation)
        for other in vassal.leftovers(layout, activation):
            vassal.retire(layout, other)
        site.publish(layout, self.default_server)

    def _activate(self, release: store.Release, exports: str) -> vassal.Activation:
        """Return a healthy activation of this release with these secrets: the live one, or a new candidate."""
        layout, live = self.layout, vassal.live(self.layout)
        if not systemd.is_ready(layout.unit):
            systemd.enable_now(layout.unit)
        if live and live.release == release.identity and _text(vassal.secrets(layout, live.number)) == exports:
            try:
                vassal.wait_until_healthy(layout, live, self.health)
                return live
            except Refusal:
                pass  # a new activation shows whether it can be healed, and says why if it cannot
        candidate = vassal.following(layout, release.identity)
        try:
            vassal.start(layout, candidate, release.uwsgi, exports)
            vassal.wait_until_healthy(layout, candidate, self.health)
        except BaseException:
            vassal.retire(layout, candidate)
            raise
        return candidate


def _text(path: str) -> str:
    return (Snapshot.take(os.path.realpath(path)).content or b"").decode()
