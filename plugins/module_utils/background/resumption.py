# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Old workers that were told to stop work again by themselves where the step that told them dies before its switch.

A transient unit waits for the end of the step's process, however it comes. If requests go to the old release then, it stops what the new
one has started and starts the old workers. The switch takes the unit away, and so does the next step that has to do with workers.
"""

from __future__ import annotations

import os
import shlex

from ansible_collections.emperor.flask.plugins.module_utils.background import unit_files
from ansible_collections.emperor.flask.plugins.module_utils.host import box, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import succeeds
from ansible_collections.emperor.flask.plugins.module_utils.host.files import link_target
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout


def arrange(layout: Layout, old: list[str], new: list[str], alone: list[str]) -> None:
    """Let ``old`` units come back where this process ends before the switch, in the place of ``new`` ones; ``alone`` of these have to end first."""
    withdraw(layout)
    if old:
        systemd.start_beside(_unit(layout), ["/bin/sh", "-c", script(layout, os.getpid(), old, new, alone)])


def withdraw(layout: Layout) -> None:
    """Let nothing come back by itself any more."""
    if unit_files.of_app(layout):
        succeeds(["systemctl", "stop", f"{_unit(layout)}.service"])


def script(layout: Layout, pid: int, old: list[str], new: list[str], alone: list[str]) -> str:
    """What the unit runs, without a dollar, which systemd would read."""
    wants = os.path.join(unit_files.FOLDER, unit_files.WANTS)
    serves = shlex.quote(link_target(layout.socket) or "")
    lines = [
        f"while kill -0 {pid} 2>/dev/null; do sleep 1; done",
        f"readlink {shlex.quote(layout.socket)} | grep -qxF {serves} || exit 0",
        f"cd {shlex.quote(wants)} || exit 1",
        f"rm -f -- {shlex.join(new)}" if new else "",
        f"systemctl stop --no-block {shlex.join(new)}" if new else "",
        f"systemctl stop {shlex.join(alone)}" if alone else "",
        f"ln -sf {shlex.join(os.path.join(unit_files.FOLDER, unit) for unit in old)} .",
        f"systemctl start --no-block {shlex.join(old)}",
    ]
    return "\n".join(filter(None, lines))


def _unit(layout: Layout) -> str:
    return f"emperor-resume-{box.escaped(layout.name)}-workers"
