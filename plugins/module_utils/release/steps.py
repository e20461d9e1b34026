# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of a release on one host, step by step, so that a fleet can wait between two steps. DESIGN.md, section 3.

look, stage, candidate, switch, retire; revert after a failure. Each step can be repeated. What one hands to the next is on the
host: the release's folder, whose manifest holds all that starts it, and the activation's secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets as randomness
from dataclasses import dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host import apt, jobs, slices, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Snapshot, names_in
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import COMPLETE, Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import (
    built_code,
    contents,
    hooks,
    preflight,
    provision,
    retention,
    static_files,
)
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import SCHEMA, Release, keyed_digest
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health

TEXTS = ("env", "uwsgi.ini", "nginx.conf")  # the files of a release that a diff shows


@dataclass(frozen=True)
class App:
    """One app on this host."""

    layout: Layout

    def manifest(self, release: str) -> dict[str, Any]:
        """What a release of this app was made of."""
        try:
            with open(os.path.join(self.layout.release(release), "manifest.json"), encoding="utf-8") as stream:
                manifest = json.load(stream)
        except FileNotFoundError:
            raise Refusal(f"there is no release '{release}' on this host; there are: {self._releases()}") from None
        if manifest["schema"] != SCHEMA:
            raise Refusal(f"the release '{release}' was made by another version of emperor.flask; deploy it anew")
        return manifest

    def _releases(self) -> str:
        return ", ".join(retention.served(self.layout)) or "none"

    def _health(self, manifest: dict[str, Any]) -> Health:
        health = manifest["health"]
        return Health(
            health["path"],
            tuple(health["status"]),
            health["timeout"],
            health["host"],
            self.layout.name,
            _scheme(manifest),
        )

    def look(self, python: str, limits: str) -> dict[str, Any]:
        """What the controller needs to know to plan: what there is to build on, what is live, and whether anything is amiss.

        ``limits`` is the text that the unit file of the app's slice should have.
        """
        layout, live = self.layout, activations.live(self.layout)
        group, version = host_facts.nginx_group(), host_facts.python_version(python)
        ready = systemd.is_ready(layout.unit)
        try:
            manifest = self.manifest(live.release) if live else None
        except Refusal:
            manifest = None  # made by another version of emperor.flask: it is released anew
        return {
            "exists": provision.exists(layout),
            "python": version,
            "uwsgi": host_facts.uwsgi_binary(version) if version else None,
            "nginx_group": group,
            "kind": host_facts.kind(),
            "venvs": [
                name for name in names_in(layout.venvs) if os.path.exists(os.path.join(layout.venv(name), COMPLETE))
            ],
            "codes": [name for name in names_in(layout.codes) if not name.endswith(".partial")],
            "release": live.release if live else None,
            "activation": str(live) if live else None,
            "healthy": bool(manifest and ready) and self._is_healthy(live),
            "in_place": ready
            and bool(group)
            and not provision.misplaced(layout, group, limits)
            and not activations.leftovers(layout, live)
            and not retention.debris(layout)
            and static_files.is_settled(layout, static_files.of_release(layout, live.release) if live else None)
            and live in activations.governed(layout)
            and bool(manifest)
            and site.is_linked(layout, manifest["default_server"]),
            "closed": site.is_closed(layout),
            "secrets": self._secrets(live),
            "files": {name: _text(os.path.join(layout.current, name)) for name in TEXTS},
        }

    def _is_healthy(self, activation: Activation) -> bool:
        return activations.is_healthy(self.layout, activation, self._health(self.manifest(activation.release)))

    def _secrets(self, activation: Activation | None) -> dict[str, str] | None:
        if activation is None:
            return None
        salt = randomness.token_hex(16)
        return {"salt": salt, "digest": keyed_digest(salt, _text(activations.secrets(self.layout, activation.number)))}

    def build_wheels(
        self,
        release: Release,
        archive: str | None,
        python: str,
        limits: str,
        with_packages: list[str],
        wheels: str,
    ) -> dict[str, str]:
        """Build the wheels of a release on this host, for all of its kind, and write them to ``wheels``; return their digest."""
        layout = self.layout
        jobs.require_box(layout.name)
        jobs.stop_abandoned(layout)
        provision.prepare(layout, limits)
        if not os.path.isdir(layout.code(release.code)):
            contents.stage_code(layout, release, archive, python)
        with apt.meanwhile(with_packages):
            contents.build_wheels(layout, release, python, wheels)
        return {"sha256": host_facts.digest(wheels)}

    def stage(
        self,
        release: Release,
        archive: str | None,
        exports: str,
        python: str,
        limits: str,
        wheels: str | None = None,
    ) -> dict[str, Any]:
        """Bring code, packages and the release's folder onto the host, test its site, and number its activation."""
        layout, live = self.layout, activations.live(self.layout)
        jobs.require_box(layout.name)
        jobs.stop_abandoned(layout)
        provision.prepare(layout, limits)
        self._settle_static()
        self._check_room(release, archive, live)
        preflight.check_queue(release.uwsgi_ini)
        self._check_files(release, live)
        if not os.path.isdir(layout.code(release.code)):
            contents.stage_code(layout, release, archive, python)
        contents.stage_venv(layout, release, python, wheels)
        built_code.build_code(layout, release, python)
        static_files.stage_static(layout, release)
        if contents.make_release(layout, release):
            retention.mark_staged(layout, release.identity)
        site.test(layout, release.nginx_conf, release.manifest["default_server"])
        return self._plan(live, release.identity, exports)

    def go_back(self, release: str | None) -> dict[str, Any]:
        """Stage a release that is on the host, with the secrets of today; without a name, the one deployed before the live one."""
        layout, live = self.layout, activations.live(self.layout)
        if live is None:
            raise Refusal("it has no release yet, so there is none to go back to")
        jobs.stop_abandoned(layout)
        wanted = release or retention.before(layout, live.release)
        if wanted is None:
            raise Refusal(f"there is no release before {live.release} on this host; there are: {self._releases()}")
        if wanted not in retention.served(layout):
            raise Refusal(f"there is no release '{wanted}' on this host; there are: {self._releases()}")
        self._settle_static()
        site.test(
            layout,
            _text(os.path.join(layout.release(wanted), "nginx.conf")),
            self.manifest(wanted)["default_server"],
        )
        return self._plan(live, wanted, _text(activations.secrets(layout, live.number)))

    def _plan(self, live: Activation | None, release: str, exports: str) -> dict[str, Any]:
        """Number an activation of a staged release; the live one, if it is that release with these secrets, and healthy."""
        layout, activation = self.layout, live
        same = live in activations.governed(layout) and live.release == release
        same = same and _text(activations.secrets(layout, live.number)) == exports
        if not (same and systemd.is_ready(layout.unit) and self._is_healthy(live)):
            activation = activations.following(layout, release)
            activations.stage(layout, activation, exports)
        manifest = self.manifest(release)
        return {
            "before": str(live) if live else None,
            "activation": str(activation),
            "host": manifest["health"]["host"],
            "scheme": _scheme(manifest),
        }

    def _check_room(self, release: Release, archive: str | None, live: Activation | None) -> None:
        code = 0 if archive is None else 6 * os.path.getsize(archive)  # unpacked and byte-compiled
        venv = 0
        if not os.path.isdir(self.layout.venv(release.venv)):
            venv = preflight.size(os.path.join(self.layout.current, "venv", "")) or preflight.SPARE
        preflight.check_disk(self.layout.codes, code)
        preflight.check_disk(self.layout.venvs, code + venv)
        preflight.check_memory(preflight.resident(activations.processes(self.layout, live)) if live else 0)

    def _check_files(self, release: Release, live: Activation | None) -> None:
        """Raise Refusal where the app keeps a file that is larger than it may write from now on: it could not extend it.

        Asked only where the limit is lowered, or the live release was made before there was one.
        """
        layout, most = self.layout, release.manifest["limits"]["log"]
        try:
            before = self.manifest(live.release) if live else {"limits": {"log": most}}
        except Refusal:
            before = {}  # made by another version of emperor.flask
        if most >= before.get("limits", {"log": most + 1})["log"]:
            return
        job = jobs.hook(layout, "look", release.identity, release.manifest, "/")
        look = f"find {layout.shared} -xdev -type f -size +{most}c -print -quit 2>/dev/null || :"  # whatever it may not read
        found = jobs.run_job(job, [*hooks.SHELL, look])
        if found:
            raise Refusal(
                f"limits.log lets the app write files of {most // preflight.MIB}M at most, but it keeps a larger one, {ascii(found.strip())}; raise limits.log"
            )

    def run_hooks(self, activation: Activation, when: str) -> list[str]:
        """Run the hooks of a release; return what they printed."""
        return hooks.run_hooks(self.layout, activation, self.manifest(activation.release), when)

    def candidate(self, activation: Activation) -> None:
        """Start a staged activation beside the live one, and return when it answers its health request."""
        layout, manifest = self.layout, self.manifest(activation.release)
        if not systemd.is_ready(layout.unit):
            systemd.enable_now(layout.unit)
        if activation in activations.governed(layout):
            return
        try:
            emperor = systemd.main_pid(layout.unit)
            start = activations.start(layout, activation, manifest, emperor)
            systemd.scan_now(emperor)
            activations.wait_until_healthy(layout, activation, self._health(manifest), start)
        except BaseException:
            activations.retire(layout, activation)
            raise

    def switch(self, activation: Activation) -> None:
        """Send requests to an activation, once it was looked at again: its controller may have been away for long."""
        if activation not in activations.governed(self.layout) or not self._is_healthy(activation):
            raise Refusal(
                f"the candidate {activation} was healthy and does not answer any more; nothing was switched; run again"
            )
        self._lead_to(activation)

    def _lead_to(self, activation: Activation) -> None:
        """Send requests to an activation. nginx has to reload only if its configuration changed; the reloader does that."""
        layout = self.layout
        live = os.path.join(layout.current, "nginx.conf")
        same = _text(live) == _text(os.path.join(layout.release(activation.release), "nginx.conf"))
        with contextlib.nullcontext() if same else reloader.changing():
            static_files.announce(layout, static_files.of_release(layout, activation.release))
            activations.switch(layout, activation)
            site.link(layout, self.manifest(activation.release)["default_server"])

    def close(self, closed: bool) -> bool:
        """Close the app for maintenance or open it; tell whether anything changed."""
        return site.close(self.layout, closed)

    def retire(
        self, activation: Activation, before: Activation | None, keep: int | None, back: bool, opens: bool = False
    ) -> None:
        """End a release (or the way back to one): the old vassal finishes its requests and goes, and so does what nobody needs.

        ``opens`` ends a maintenance that the release was to wait for.
        """
        if opens:
            self.close(False)
        if not back:
            retention.mark_served(self.layout, activation.release)
        elif before and before.release != activation.release:
            retention.mark_withdrawn(self.layout, before.release)
        self._tidy(keep)

    def revert(self, activation: Activation | None, before: Activation | None) -> None:
        """Put everything back as it was before the release was staged: the switch too, where it was made already."""
        layout = self.layout
        if activation != before and activations.live(layout) == activation:
            if before in activations.governed(layout):
                self._lead_to(before)
            elif before is None:
                site.withdraw(layout)
                activations.unswitch(layout)
        self._tidy(None)

    def _tidy(self, keep: int | None) -> None:
        for other in activations.leftovers(self.layout, activations.live(self.layout)):
            activations.retire(self.layout, other)
        slices.settle(self.layout, activations.MERCY)
        self._settle_static()
        retention.prune(self.layout, keep)

    def _settle_static(self) -> None:
        live = activations.live(self.layout)
        static_files.settle(self.layout, static_files.of_release(self.layout, live.release) if live else None)


def _scheme(manifest: dict[str, Any]) -> str:
    """What the release is served over. Those made before apps could be served over TLS do not say."""
    return manifest["health"].get("scheme", "http")


def _text(path: str) -> str:
    return (Snapshot.take(os.path.realpath(path)).content or b"").decode()
