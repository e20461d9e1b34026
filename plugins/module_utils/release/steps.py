# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The life of a release on one host, step by step, so that a fleet can wait between two steps. DESIGN.md, section 3.

look, stage, candidate, switch, retire; revert after a failure. Each step can be repeated. What one hands to the next is on the
host: the release's folder, whose manifest holds all that starts it, and the activation's secrets.
"""

from __future__ import annotations

import contextlib
import os
import secrets as randomness
from dataclasses import asdict, dataclass
from typing import Any, cast

from ansible_collections.emperor.flask.plugins.module_utils.background import definitions, handover, timers
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host import apt, jobs, slices, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Snapshot, names_in
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import COMPLETE, Layout
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.module_utils.nginx import reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import (
    built_code,
    contents,
    findings,
    hooks,
    manifest,
    preflight,
    provision,
    removal,
    renaming,
    retention,
    static_files,
    watch,
)
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release, hook_key, keyed_digest
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations, emperor_exchange
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

TEXTS = ("env", "uwsgi.ini", "nginx.conf", definitions.FILE)  # the files of a release that a diff shows


@dataclass(frozen=True)
class App:
    """One app on this host."""

    layout: Layout
    old: Layout | None = None  # the app that this one was until now

    def manifest(self, release: str) -> dict[str, Any]:
        """What a release of this app was made of."""
        try:
            return manifest.read(self.layout, release)
        except FileNotFoundError:
            raise Refusal(f"there is no release '{release}' on this host; there are: {self._releases()}") from None
        except manifest.Unknown as error:
            raise Refusal(f"the release '{release}' cannot be used: {error}; deploy it anew") from error

    def _releases(self) -> str:
        return ", ".join(retention.served(self.layout)) or "none"

    def look(self, python: str, limits: str, units: dict[str, systemd.State]) -> dict[str, Any]:
        """What the controller needs to know to plan: what there is to build on, what is live, and what is amiss.

        ``limits`` is the text that the unit file of the app's slice should have, ``units`` how its Emperor, workers and timers are.
        """
        layout, live = self.layout, activations.live(self.layout)
        due = self.old if renaming.is_due(self.old) else None
        version = host_facts.python_version(python)
        amiss = findings.of_app(layout, live, limits, units)
        return {
            "exists": provision.exists(layout),
            "python": version,
            "uwsgi": host_facts.uwsgi_binary(version) if version else None,
            "nginx_group": host_facts.nginx_group(),
            "kind": host_facts.kind(),
            "venvs": [
                name for name in names_in(layout.venvs) if os.path.exists(os.path.join(layout.venv(name), COMPLETE))
            ],
            "codes": [name for name in names_in(layout.codes) if not name.endswith(".partial")],
            "release": live.release if live else None,
            "activation": str(live) if live else None,
            "manifest": self._made_of(live),
            "findings": [asdict(found) for found in [*amiss, *findings.of_name(layout, due)]],
            "closed": site.is_closed(layout) or (due is not None and live is None and renaming.was_closed(due)),
            "renamed_from": due.name if due else None,
            "secrets": self._secrets(live),
            "files": {name: _text(os.path.join(layout.current, name)) for name in TEXTS},
        }

    def _made_of(self, live: Activation | None) -> dict[str, Any] | None:
        """What the live release was made of; None where there is none, or none that this version can read."""
        with contextlib.suppress(FileNotFoundError, manifest.Unknown):
            return manifest.read(self.layout, live.release) if live else None
        return None

    def _is_healthy(self, activation: Activation) -> bool:
        return activations.is_healthy(
            self.layout, activation, manifest.health(self.layout, self.manifest(activation.release))
        )

    def _secrets(self, activation: Activation | None) -> dict[str, str] | None:
        if activation is None:
            return None
        salt = randomness.token_hex(16)
        return {"salt": salt, "digest": keyed_digest(salt, _text(activations.secrets(self.layout, activation.number)))}

    def wheels(
        self,
        release: Release,
        archive: str | None,
        python: str,
        limits: str,
        with_packages: list[str],
        wheels: str,
    ) -> dict[str, Any]:
        """Build the wheels of a release on this host, for all of its kind, and write them to ``wheels``; return their digest."""
        layout = self.layout
        self._provide(limits)
        if not os.path.isdir(layout.code(release.code)):
            contents.stage_code(layout, release, archive, python)
        with apt.meanwhile(with_packages):
            contents.build_wheels(layout, release, python, wheels)
        return {"sha256": sha256(wheels)}

    def stage(
        self,
        release: Release,
        archive: str | None,
        secrets: str,
        python: str,
        limits: str,
        wheels: str | None = None,
    ) -> dict[str, Any]:
        """Bring code, packages and the release's folder onto the host, test its site, and number its activation."""
        layout, live = self.layout, activations.live(self.layout)
        self._provide(limits)
        self._exchange_emperor(live)
        live = activations.live(layout)
        self._settle_static()
        preflight.check(layout, release, archive, live)
        timers.check(definitions.parsed(release.background).timers)
        if not os.path.isdir(layout.code(release.code)):
            contents.stage_code(layout, release, archive, python)
        contents.stage_venv(layout, release, python, wheels)
        built_code.build_code(layout, release, python)
        static_files.stage_static(layout, release)
        if contents.make_release(layout, release):
            retention.mark_staged(layout, release.identity)
        site.test(layout, release.nginx_conf, release.manifest["default_server"], self.old)
        return self._plan(live, release.identity, secrets)

    def _provide(self, limits: str) -> None:
        """Give the app what its jobs need; ``limits`` is the text of its slice's unit file."""
        jobs.require_box(self.layout.name)
        jobs.stop_abandoned(self.layout)
        if self.old:
            renaming.begin(self.layout, self.old)
        provision.prepare(self.layout, limits)

    def _exchange_emperor(self, live: Activation | None) -> None:
        """Let a changed unit file or slice hold for the app. A live release that this version cannot read goes on until another has taken its place."""
        if live is None:
            emperor_exchange.restart_idle(self.layout)
        elif emperor_exchange.is_due(self.layout):
            with contextlib.suppress(FileNotFoundError, manifest.Unknown):
                made_of = manifest.read(self.layout, live.release)
                emperor_exchange.exchange(self.layout, live, made_of, manifest.health(self.layout, made_of))

    def rollback(self, wanted: str | None) -> dict[str, Any]:
        """Stage and start in one round trip: what is on the host already needs no host to wait for another before it starts."""
        plan = self._go_back(wanted)
        self.candidate(cast(Activation, Activation.parse(plan["activation"])))
        return plan

    def _go_back(self, release: str | None) -> dict[str, Any]:
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
        if live is None or not self._goes_on(live, release, exports):
            activation = activations.following(layout, release)
            activations.stage(layout, activation, exports)
        made_of = self.manifest(release)
        return {
            "before": str(live) if live else None,
            "activation": str(activation),
            "code": made_of["code"],
            "host": made_of["health"]["host"],
            "scheme": made_of["health"]["scheme"],
        }

    def _goes_on(self, live: Activation, release: str, exports: str) -> bool:
        """Tell whether the live activation is of that release, with these secrets, and healthy."""
        same = live in activations.governed(self.layout) and live.release == release
        same = same and _text(activations.secrets(self.layout, live.number)) == exports
        return same and systemd.is_ready(self.layout.unit) and self._is_healthy(live)

    def take_over(self, activation: Activation) -> None:
        """Stop the app that this one was until now, and take its shared files and logs."""
        if self.old:
            renaming.take_over(self.layout, self.old, activation.release, self.manifest(activation.release))

    def before_switch(self, activation: Activation) -> list[str]:
        """Run the hooks of a release before it takes requests; return what they printed."""
        return hooks.run_hooks(self.layout, activation, self.manifest(activation.release), "before_switch")

    def hooked(self) -> dict[str, Any]:
        """Tell what the hooks of the live release were run for, before it was switched to."""
        live = activations.live(self.layout)
        made_of = self._made_of(live)
        if live is None or made_of is None:
            return {"hook_key": None}
        env = _text(os.path.join(self.layout.release(live.release), "env"))
        return {"hook_key": hook_key(made_of["code"], env, made_of["hooks"].get("before_switch", []))}

    def after_switch(self, activation: Activation) -> list[str]:
        """Run the hooks of a release that serves; return what they printed."""
        return hooks.run_hooks(self.layout, activation, self.manifest(activation.release), "after_switch")

    def candidate(self, activation: Activation) -> None:
        """Start a staged activation beside the live one, and return when it answers its health request."""
        layout, made_of = self.layout, self.manifest(activation.release)
        if not systemd.is_ready(layout.unit):
            systemd.enable_now(layout.unit)
        if activation not in activations.governed(layout):
            activations.bring_up(layout, activation, made_of, manifest.health(layout, made_of))
        handover.prepare(layout, activation, made_of)
        static_files.offer(layout, static_files.of_release(layout, activation.release))

    def switch(self, activation: Activation) -> None:
        """Send requests to an activation, once it was looked at again: its controller may have been away for long."""
        if activation not in activations.governed(self.layout) or not self._is_healthy(activation):
            raise Refusal(
                f"the candidate {activation} was healthy and does not answer any more; nothing was switched; run again"
            )
        made_of = self.manifest(activation.release)
        handover.hand_over(self.layout, activation, made_of)
        with reloader.changing() if self.old else contextlib.nullcontext():
            if self.old:
                site.unlink(self.old)
            self._lead_to(activation)
        handover.set_timers(self.layout, activation, made_of)

    def watch(self, seconds: int) -> list[str]:
        """Watch what is answered after a switch; return what was seen."""
        return [watch.watch(self.layout.name, seconds)]

    def _lead_to(self, activation: Activation) -> None:
        """Send requests to an activation. nginx has to reload only if its configuration changed; the reloader does that."""
        layout = self.layout
        live = os.path.join(layout.current, "nginx.conf")
        same = _text(live) == _text(os.path.join(layout.release(activation.release), "nginx.conf"))
        with contextlib.nullcontext() if same else reloader.changing():
            static_files.announce(layout, static_files.of_release(layout, activation.release))
            activations.switch(layout, activation)
            site.link(layout, self.manifest(activation.release)["default_server"])

    def maintenance(self, closed: bool) -> bool:
        """Close the app for maintenance or open it; tell whether anything changed."""
        return site.close(self.layout, closed)

    def retire(
        self, activation: Activation, before: Activation | None, keep: int | None, back: bool, opens: bool = False
    ) -> list[str]:
        """End a release (or the way back to one): the old vassal finishes its requests and goes, and so does what nobody needs.

        ``opens`` ends a maintenance that the release was to wait for. Returns a line for each release whose workers still finish their jobs.
        """
        if opens:
            self.maintenance(False)
        if not back:
            retention.mark_served(self.layout, activation.release)
        elif before and before.release != activation.release:
            retention.mark_withdrawn(self.layout, before.release)
        finishing = self._tidy(keep)
        if self.old:
            renaming.finish(self.layout, self.old)
        return finishing

    def revert(self, activation: Activation | None, before: Activation | None) -> None:
        """Put everything back as it was before the release was staged: the switch too, where it was made already."""
        layout = self.layout
        if self.old and before is None:
            renaming.give_back(layout, self.old)
            return
        if activation != before and activations.live(layout) == activation:
            if before in activations.governed(layout):
                self._lead_to(before)
            elif before is None:
                site.withdraw(layout)
                activations.unswitch(layout)
        if before and before == activations.live(layout):
            handover.ensure(layout, before, self.manifest(before.release))
        self._tidy(None)

    def remove(self, keep_shared: bool) -> dict[str, Any]:
        """Take the app away completely; return the archive of its shared files, where they are kept."""
        return {"archive": removal.remove_all(self.layout, keep_shared)}

    def _tidy(self, keep: int | None) -> list[str]:
        live = activations.live(self.layout)
        for other in activations.leftovers(self.layout, live):
            activations.retire(self.layout, other)
        finishing = handover.settle(self.layout, live)
        slices.settle(self.layout, activations.MERCY)
        self._settle_static()
        retention.prune(self.layout, keep)
        return finishing

    def _settle_static(self) -> None:
        live = activations.live(self.layout)
        static_files.settle(self.layout, static_files.of_release(self.layout, live.release) if live else None)


def _text(path: str) -> str:
    return Snapshot.take(os.path.realpath(path)).text
