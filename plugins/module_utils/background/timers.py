# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's timers on a host: one set of units, which runs the release that a switch has led to."""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils.background import unit_files, unit_texts
from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Background, Timer
from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import Start
from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import remove
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

STAMPS = "/var/lib/systemd/timers"  # where systemd keeps when each persistent timer was due last


def check(timers: list[Timer]) -> None:
    """Raise Refusal for a schedule that this host's systemd does not know, before anything is changed."""
    for timer in timers:
        try:
            run(["systemd-analyze", "calendar", timer.schedule])
        except CommandFailed as error:
            raise Refusal(
                f"timers '{timer.name}': schedule '{timer.schedule}' is not a time that this host's systemd knows "
                f"({error.output.splitlines()[0]}); write one such as *-*-* 06:00, see systemd.time(7)"
            ) from error


def apply(start: Start, timers: list[Timer]) -> None:
    """Let these timers run a start's release from now on, and no others. A command that runs already ends as it was started."""
    texts = unit_texts.texts(start, Background(timers=timers))
    end([unit for unit in of_app(start.layout) if unit not in texts])
    changed = [unit for unit in unit_files.write(texts) if unit.endswith(".timer")]
    if changed:
        run(["systemctl", "restart", *changed])
    if waiting := [unit for unit in texts if unit.endswith(".timer")]:
        run(["systemctl", "start", *waiting])


def end(units: list[str]) -> None:
    """Stop timers, with what they have started, and take their units away."""
    if not units:
        return
    starting = [unit for unit in units if unit.endswith((".timer", "-due.service"))]
    systemd.stop(*starting)
    for unit in units:  # or the end of a command would start it once more
        remove(unit_texts.queued(unit))
    systemd.stop(*(unit for unit in units if unit not in starting))
    for unit in starting:  # or one that comes back had been due all the time that it was not there
        remove(os.path.join(STAMPS, f"stamp-{unit}"))
    unit_files.take_away(units)


def of_app(layout: Layout) -> list[str]:
    """The units of an app's timers that have a file."""
    return [unit for unit in unit_files.of_app(layout) if unit_texts.worker_of(layout, unit) is None]
