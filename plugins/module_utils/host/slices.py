# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's slice, whose limits count for all of the app's units together, and the Emperor's place in it."""

from __future__ import annotations

import contextlib
import os
import shlex

from ansible_collections.emperor.flask.plugins.module_utils.host import box, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    names_in,
    remove,
    remove_tree,
    replace_file,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

PLACE = "box.conf"
TASKS = "50-TasksMax.conf"  # where systemctl set-property keeps that property


def _texts(layout: Layout, limits: str) -> dict[str, str]:
    place = f"# Managed by emperor.flask (role flask_app); changes made here are lost.\n[Service]\nSlice={box.slice_of(layout.name)}\n"
    return {layout.slice_unit: limits, os.path.join(layout.drop_ins, PLACE): place}


def differs(layout: Layout, limits: str) -> bool:
    """Tell whether the slice has other limits than its unit file should say, or the Emperor another place."""
    return any(Snapshot.take(path).content != text.encode() for path, text in _texts(layout, limits).items())


def apply(layout: Layout, limits: str) -> None:
    """Give the slice its limits, now and after a restart of the host. An Emperor that runs elsewhere is exchanged (vassal.emperor_exchange)."""
    os.makedirs(layout.drop_ins, 0o755, exist_ok=True)
    if differs(layout, limits):
        # First, so that a run that dies is finished by the next one. systemd gives a changed unit file's limits to a slice that runs only
        # on some versions (252, not 257).
        settings = {
            line.partition("=")[0]: line for line in limits.splitlines() if line.partition("=")[0] in PROPERTIES
        }
        beside = _beside_the_old_release(layout, settings["TasksMax"])
        run(["systemctl", "set-property", "--runtime", box.slice_of(layout.name), *(settings | beside).values()])
        for path, text in _texts(layout, limits).items():
            replace_file(path, text.encode(), Access(0o644))
        # What was set outlives its change: a part of the machine's memory is kept under another name than a number of bytes.
        for name in names_in(_runtime(layout)):
            if name != TASKS or not beside:
                remove(os.path.join(_runtime(layout), name))
        systemd.daemon_reload()


def settle(layout: Layout, seconds: int) -> None:
    """Take back what ``apply`` has given beyond the limits, once a release that had more tasks has ended: so many seconds from now."""
    lifted, name = os.path.join(_runtime(layout), TASKS), box.slice_of(layout.name)
    if os.path.exists(lifted) and not set(_lines(lifted)) & set(_lines(layout.slice_unit)):
        # What the unit file says then: there may have been another release.
        lower = f"grep ^TasksMax= {shlex.quote(layout.slice_unit)} | xargs systemctl set-property --runtime {shlex.quote(name)}"
        with contextlib.suppress(CommandFailed):  # the next release makes up for it
            systemd.schedule(f"emperor-end-{box.escaped(layout.name)}-tasks", seconds, ["/bin/sh", "-c", lower])


def remove_all(layout: Layout) -> None:
    """Stop the slice with all that is in it, whatever it is, and take its files away."""
    systemd.stop_slice(box.slice_of(layout.name))
    remove(layout.slice_unit)
    remove_tree(layout.drop_ins)
    remove_tree(_runtime(layout))
    systemd.daemon_reload()


def _beside_the_old_release(layout: Layout, stated: str) -> dict[str, str]:
    """TasksMax where it is lowered: as it was, until ``settle``, for the old release runs beside the new one, or will once its Emperor starts."""
    given = [*_lines(os.path.join(_runtime(layout), TASKS)), *_lines(layout.slice_unit)]
    before = max((int(line.partition("=")[2]) for line in given), default=0)
    return {"TasksMax": f"TasksMax={before}"} if before > int(stated.partition("=")[2]) else {}


def _lines(path: str) -> list[str]:
    """The settings of tasks that a unit file has."""
    text = Snapshot.take(path).text
    return [line for line in text.splitlines() if line.startswith("TasksMax=")]


def _runtime(layout: Layout) -> str:
    """Where systemd keeps what ``systemctl set-property --runtime`` has set of the slice."""
    return f"/run/systemd/system.control/{box.slice_of(layout.name)}.d"


PROPERTIES = ("MemoryMax", "CPUQuota", "TasksMax", "CPUWeight")
