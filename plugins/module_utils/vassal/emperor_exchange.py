# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exchange an app's Emperor under load, where its unit file or its slice has changed: only a start applies these, and a stop would lose requests.

The live release is started under a second Emperor, a unit in /run made of the changed unit file, and requests go there. When the old
vassal has finished its requests the Emperor is restarted, the release is started under it again, and the second one ends. A run that dies
on the way is finished by the next one, and the app is served meanwhile; only a restart of the host in these seconds leaves it down until then.
"""

from __future__ import annotations

import os
import time
from typing import Any

from ansible.module_utils.common.warnings import warn
from ansible_collections.emperor.flask.plugins.module_utils.host import box, cgroup, outdated, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    ensure_directory,
    remove,
    remove_tree,
    replace_file,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health

INTERVAL = 0.2  # seconds between two looks at a vassal that finishes its requests


class Second(Layout):
    """The app as the second Emperor has it: the same, but for the folder of its vassals and its unit."""

    @property
    def vassals(self) -> str:
        """The folder that the second Emperor watches."""
        return self._at("run/emperor-flask/vassals", self.name)

    @property
    def unit(self) -> str:
        """The second Emperor."""
        return f"emperor-exchange-{box.escaped(self.name)}.service"

    @property
    def unit_file(self) -> str:
        """Its unit file, gone after a restart of the host."""
        return self._at("run/systemd/system", self.unit)


def is_due(layout: Layout, emperor: systemd.State | None = None) -> bool:
    """Tell whether the app's Emperor runs under an older unit file or outside of the app's slice, or an exchange was begun and not ended.

    ``emperor`` is its state, where that is known.
    """
    return _is_old(layout, emperor) or os.path.exists(Second(layout.name, layout.root).unit_file)


def exchange(layout: Layout, live: Activation, manifest: dict[str, Any], health: Health) -> None:
    """Exchange the Emperor of an app that is live. Where its release does not start under another one, warn: it goes on under the one that it has."""
    second = Second(layout.name, layout.root)
    try:
        if live in activations.governed(layout) and _is_old(layout):
            if not activations.is_healthy(layout, live, health):
                systemd.restart(layout.unit)  # nothing is served that could be lost
                return
            _begin(second)
            live = _move(layout, second, live, manifest, health)
        if live not in activations.governed(layout):
            _empty(layout)
            systemd.restart(layout.unit)
            _move(second, layout, live, manifest, health)
    except (Refusal, OSError) as error:
        warn(
            f"app '{layout.name}': its release does not start under its changed unit or slice, so it goes on under the Emperor that it has: {error}"
        )
        if activations.live(layout) not in activations.governed(layout):
            return
    _end(second)


def restart_idle(layout: Layout) -> None:
    """Restart an Emperor that runs as before its unit file or slice changed, of an app that has no release to lose a request of."""
    if _is_old(layout):
        systemd.restart(layout.unit)


def _is_old(layout: Layout, emperor: systemd.State | None = None) -> bool:
    # Its control group, not its property Slice: that is the new one after a reload, wherever the Emperor still runs.
    state = emperor or systemd.state(layout.unit)
    elsewhere = f"/{box.slice_of(layout.name)}/" not in state.control_group
    return state.active == "active" and (elsewhere or outdated.is_outdated(layout.unit))


def _begin(second: Second) -> None:
    """Start the second Emperor, with the changed unit file and the app's slice."""
    folder = os.path.dirname(second.vassals)
    os.makedirs(folder, 0o755, exist_ok=True)
    ensure_directory(second.vassals, Access(0o750, "root", second.name))
    with open(box.UNIT, encoding="utf-8") as stream:
        text = stream.read()
    text = text.replace("/etc/uwsgi/vassals/%i", second.vassals).replace(
        " --emperor-stats /var/www/%i/run/emperor.stats", ""
    )
    text = text.replace("%i", second.name).replace("[Service]", f"[Service]\nSlice={box.slice_of(second.name)}", 1)
    replace_file(second.unit_file, text.encode(), Access(0o644))
    systemd.daemon_reload()
    systemd.restart(second.unit)


def _move(old: Layout, new: Layout, live: Activation, manifest: dict[str, Any], health: Health) -> Activation:
    """Start the live release under another Emperor, and send requests there once it is healthy."""
    activation = activations.following(old, live.release)
    with open(activations.secrets(old, live.number), encoding="utf-8", newline="") as stream:
        activations.stage(new, activation, stream.read())
    activations.bring_up(new, activation, manifest, health)
    activations.switch(new, activation)
    return activation


def _empty(layout: Layout) -> None:
    """Let the vassals of an Emperor finish their requests; return when they have, or their mercy is over."""
    for activation in activations.governed(layout):
        activations.retire(layout, activation)
    emperor = systemd.main_pid(layout.unit)
    systemd.scan_now(emperor)
    deadline = time.monotonic() + activations.MERCY
    while set(cgroup.processes_of(layout.unit)) - {emperor} and time.monotonic() < deadline:
        time.sleep(INTERVAL)


def abandon(layout: Layout) -> None:
    """Take a second Emperor away at once, whatever it serves; there may be none."""
    second = Second(layout.name, layout.root)
    if os.path.exists(second.unit_file):
        systemd.stop(second.unit)
        remove(second.unit_file)
        remove_tree(second.vassals)
        systemd.daemon_reload()


def _end(second: Second) -> None:
    """End the second Emperor, once its vassals have finished their requests."""
    if os.path.exists(second.unit_file):
        _empty(second)
        abandon(second)
