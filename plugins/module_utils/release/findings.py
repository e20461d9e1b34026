# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is amiss with an app on its host. Nothing found means that there is nothing to do but a release of other contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.background import handover
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host import slices, systemd, users
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.release import manifest, provision, retention, static_files
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations, emperor_exchange
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

RELEASE = "ansible-playbook emperor.flask.deploy -e app={app} puts it right"
PREPARE = "ansible-playbook emperor.flask.site puts it right"


@dataclass(frozen=True)
class Finding:
    """``name`` is for programs, ``meaning`` for people, ``remedy`` is what to type."""

    name: str
    meaning: str
    remedy: str


def of_app(layout: Layout, live: Activation | None, limits: str, units: dict[str, systemd.State]) -> list[Finding]:
    """All that is amiss; ``limits`` is the text that the unit file of the app's slice should have, ``units`` how its Emperor, workers and timers are."""
    group = host_facts.nginx_group()
    if live is None:
        return [_release(layout, "no-release", "it has no release on this host")]
    found = [*_of_vassal(layout, live, units), *_of_leftovers(layout, live)]
    if group is None:
        return [*found, Finding("no-nginx", "nginx is not set up on this host", PREPARE)]
    return [*found, *_of_folders(layout, group), *_of_slice(layout, limits)]


def of_name(layout: Layout, old: Layout | None) -> list[Finding]:
    """What is amiss with an app that is on the host under the name that it had before, too."""
    return (
        [_release(layout, "old-name", f"it is still to take over what is on this host as '{old.name}'")] if old else []
    )


def _release(layout: Layout, name: str, meaning: str) -> Finding:
    return Finding(name, meaning, RELEASE.format(app=layout.name))


def _of_vassal(layout: Layout, live: Activation, units: dict[str, systemd.State]) -> Iterator[Finding]:
    """The live release, from its manifest to its answer."""
    try:
        made_of = manifest.read(layout, live.release)
    except (FileNotFoundError, manifest.Unknown) as error:
        yield _release(layout, "manifest", f"what its release was made of cannot be read ({error})")
        return
    emperor = units[layout.unit]
    if not emperor.is_ready:
        yield _release(layout, "emperor", f"its Emperor, {layout.unit}, does not run")
    elif live not in activations.governed(layout):
        yield _release(layout, "vassal", f"the ini of its vassal {live} is missing")
    elif not activations.is_asleep(layout, live, made_of, emperor) and not activations.is_healthy(
        layout, live, manifest.health(layout, made_of)
    ):
        yield _release(layout, "health", f"it does not answer its health request, {made_of['health']['path']}")
    elif emperor_exchange.is_due(layout, emperor):
        yield _release(layout, "old-emperor", "its Emperor runs as it was started before its unit or slice changed")
    if not static_files.is_settled(layout, static_files.of_release(layout, live.release)):
        yield _release(layout, "static", "the links to its static files are not as they should be")
    if not site.is_linked(layout, made_of["default_server"]):
        yield _release(layout, "site", "nginx does not read its site")
    if wrong := handover.amiss(layout, live, made_of, units):
        yield _release(layout, "background", wrong)


def _of_leftovers(layout: Layout, live: Activation) -> Iterator[Finding]:
    if others := activations.leftovers(layout, live):
        named = ", ".join(str(other).removeprefix(".") for other in others)
        yield _release(layout, "old-vassal", f"a run that died has left vassals or their secrets over: {named}")
    if retention.debris(layout):
        yield _release(layout, "debris", "a run that died has left half of a release over")


def _of_folders(layout: Layout, group: str) -> Iterator[Finding]:
    if amiss := provision.misplaced(layout, group):
        yield _release(layout, "folder", f"{amiss} is missing, or has another owner or mode than it should")
    if users.number_of(layout.builder, layout.home) is None:
        yield _release(layout, "builder", f"the account that builds for it, {layout.builder}, is missing")


def _of_slice(layout: Layout, limits: str) -> Iterator[Finding]:
    if slices.differs(layout, limits):
        yield _release(layout, "limits", "its slice has other limits than the inventory says")
