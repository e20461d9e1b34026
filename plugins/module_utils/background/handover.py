# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How an app's workers and timers go from release to release.

Each start of a release's workers has units of its own. Those of a new release start before it serves, while the old one's still work, so one
that does not live costs nothing. The old ones are told to stop just before the switch: nothing of the old release takes a job that the new
one has made. They come back by themselves where the switch does not come. A worker that may not overlap is exchanged there. Timers have one
set of units, which runs the live release.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.common.warnings import warn
from ansible_collections.emperor.flask.plugins.module_utils.background import (
    definitions,
    resumption,
    timers,
    unit_files,
    unit_texts,
    workers,
)
from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Background, Worker
from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import COPY, STARTED, Start
from ansible_collections.emperor.flask.plugins.module_utils.host import box, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    names_in,
    remove,
    replace_file,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

Manifest = dict[str, Any]
MARGIN = 15  # seconds that systemd has to kill what did not end in time


def starts(layout: Layout) -> list[Activation]:
    """The starts of workers and timers that something may be left of, the oldest first."""
    named = [name.removeprefix(COPY) for name in names_in(layout.secrets) if name.startswith(COPY)]
    return sorted(filter(None, map(Activation.parse, named)), key=lambda start: start.number)


def units(layout: Layout) -> list[str]:
    """The units that are to run: the state of each is asked before ``amiss``."""
    return unit_files.linked(layout)


def amiss(layout: Layout, live: Activation, manifest: Manifest, states: dict[str, systemd.State]) -> str | None:
    """What is wrong with the workers and timers of the live release, if anything is."""
    stated, start = definitions.read(layout, live.release), _of_live(layout, live)
    texts = unit_texts.texts(Start(layout, start, manifest), stated) if start else {}
    if (stated.workers or stated.timers) and (start is None or unit_files.differ(texts)):
        return "its workers or timers are not those of its release"
    if others := [unit for unit in unit_files.linked(layout) if unit not in texts]:
        return f"a run that died has left workers or timers over: {', '.join(others)}"
    stopped = [unit for unit, text in texts.items() if STARTED in text and not states[unit].is_ready]
    return f"a worker or timer does not run: {', '.join(stopped)}" if stopped else None


def prepare(layout: Layout, activation: Activation, manifest: Manifest) -> None:
    """Start the workers of a candidate beside the old release's, but for those that may not overlap; raise Refusal where one does not live."""
    resumption.withdraw(layout)
    stated = definitions.read(layout, activation.release)
    if not stated.workers and not stated.timers:
        return
    start = _begun(layout, activation, manifest)
    try:
        workers.bring_up(start, [worker for worker in stated.workers if worker.overlap])
    except BaseException:
        if activation != activations.live(layout):
            workers.tell_to_stop(_of_start(layout, start.activation))
        raise


def hand_over(layout: Layout, activation: Activation, manifest: Manifest) -> None:
    """Just before a switch: exchange the workers that may not overlap, and tell the old release's others to stop.

    Where a new one does not live, the old ones are started again and Refusal is raised.
    """
    stated = definitions.read(layout, activation.release)
    start = _begun(layout, activation, manifest) if stated.workers else None
    own = _of_start(layout, start.activation) if start else []
    old = [unit for unit in unit_files.linked(layout) if unit_texts.worker_of(layout, unit) and unit not in own]
    alone = [worker for worker in stated.workers if not worker.overlap]
    first = [unit for unit in old if _is_alone(layout, unit, {box.escaped(worker.name) for worker in alone})]
    resumption.arrange(layout, _serving(layout, own), _units(start, stated.workers), _units(start, alone))
    workers.tell_to_stop(first, wait=True)
    if start:
        try:
            workers.bring_up(start, alone)
        except BaseException:
            workers.tell_to_stop(_of_start(layout, start.activation))
            unit_files.link(first)
            workers.start_again(first)
            raise
    workers.tell_to_stop([unit for unit in old if unit not in first])


def set_timers(layout: Layout, activation: Activation, manifest: Manifest) -> None:
    """Just after a switch: let the timers run its release. The old workers are not to come back any more."""
    resumption.withdraw(layout)
    stated = definitions.read(layout, activation.release)
    if stated.timers:
        timers.apply(_begun(layout, activation, manifest), stated.timers)
    else:
        timers.end(timers.of_app(layout))


def ensure(layout: Layout, live: Activation, manifest: Manifest) -> None:
    """Let the workers and timers of the live release run, whatever was begun; nobody waits for them."""
    stated = definitions.read(layout, live.release)
    if stated.workers:
        start = _begun(layout, live, manifest)
        texts = unit_texts.texts(start, Background(stated.workers))
        unit_files.write(texts)
        workers.start_again(list(texts))
    set_timers(layout, live, manifest)


def settle(layout: Layout, live: Activation | None) -> list[str]:
    """Tell what is not of the live release to stop, and take away what has ended; return a line for each worker that still finishes its jobs."""
    keep = _of_live(layout, live) if live else None
    old = {
        unit: found
        for unit in unit_files.of_app(layout)
        if (found := unit_texts.worker_of(layout, unit)) and found[1] != keep
    }
    workers.tell_to_stop([unit for unit in unit_files.linked(layout) if unit in old])
    busy = workers.finishing(list(old))
    unit_files.take_away([unit for unit in old if unit not in busy])
    if live is None:
        timers.end(timers.of_app(layout))
    lines = []
    for start in starts(layout):
        left = [unit for unit in busy if old[unit][1] == start]
        if start != keep and not left:
            remove(unit_texts.secrets_of(layout, start))
        elif left:
            lines.append(_let_go(layout, start, left))
    return lines


def finish_jobs(layout: Layout) -> None:
    """Let the workers of an app finish their jobs and end, and return when they have."""
    units = [unit for unit in unit_files.of_app(layout) if unit_texts.worker_of(layout, unit)]
    workers.tell_to_stop(units, wait=True)


def remove_all(layout: Layout) -> None:
    """Let no worker or timer start again; what runs is ended with the app's slice. ``forget`` then takes their units away."""
    resumption.withdraw(layout)
    timers.end(timers.of_app(layout))
    workers.tell_to_stop(unit_files.of_app(layout))


def forget(layout: Layout) -> None:
    """Take the units of what has ended away."""
    unit_files.take_away(unit_files.of_app(layout))
    for path in unit_files.half_written(layout):
        remove(path)


def _of_live(layout: Layout, live: Activation) -> Activation | None:
    """The start that serves a live activation: the last one of its release with its secrets. The Emperor's exchange gives a vassal another number."""
    exports = Snapshot.take(activations.secrets(layout, live.number)).content
    same = [start for start in starts(layout) if start.release == live.release]
    fitting = [start for start in same if Snapshot.take(unit_texts.secrets_of(layout, start)).content == exports]
    return fitting[-1] if fitting else None


def _begun(layout: Layout, activation: Activation, manifest: Manifest) -> Start:
    """The start of an activation, with its copy of the secrets on the disk.

    One of another number goes on only while its workers do: what was told to stop finishes its jobs, and is taken away afterwards.
    """
    known = _of_live(layout, activation)
    if known and (known == activation or set(_of_start(layout, known)) & set(unit_files.linked(layout))):
        return Start(layout, known, manifest)
    start = Start(layout, activation, manifest)
    content = Snapshot.take(activations.secrets(layout, activation.number)).content or b""
    replace_file(start.secrets, content, Access(0o640, "root", layout.name))
    return start


def _of_start(layout: Layout, start: Activation) -> list[str]:
    found = {unit: unit_texts.worker_of(layout, unit) for unit in unit_files.of_app(layout)}
    return [unit for unit, of in found.items() if of and of[1] == start]


def _units(start: Start | None, stated: list[Worker]) -> list[str]:
    """The units of these workers in a start."""
    return list(unit_texts.texts(start, Background(stated))) if start else []


def _serving(layout: Layout, new: list[str]) -> list[str]:
    """The workers of the release that serves, those too that an earlier run told to stop before it died; not the ``new`` ones."""
    live = activations.live(layout)
    serving = _of_start(layout, start) if live and (start := _of_live(layout, live)) else []
    return [unit for unit in serving if unit not in new]


def _is_alone(layout: Layout, unit: str, names: set[str]) -> bool:
    """Tell whether a unit's worker may not run beside one of the new release: by that one's word, or by its own."""
    found = unit_texts.worker_of(layout, unit)
    if found is None:
        return False
    stated = definitions.read(layout, found[1].release).workers
    return found[0] in names | {box.escaped(worker.name) for worker in stated if not worker.overlap}


def _let_go(layout: Layout, start: Activation, left: list[str]) -> str:
    """Let what is left of a start be taken away once its time is over; return what a run says of it."""
    seconds = max((worker.stop_timeout for worker in definitions.read(layout, start.release).workers), default=0)
    files = [*(os.path.join(unit_files.FOLDER, unit) for unit in left), unit_texts.secrets_of(layout, start)]
    unit = f"emperor-end-{box.escaped(layout.name)}-workers-{start}"
    try:
        systemd.schedule(unit, seconds + MARGIN, ["/bin/rm", "-f", *files])
    except CommandFailed as error:
        warn(f"app '{layout.name}': {', '.join(files)} will stay until the next run: {error.output}")
    return f"{len(left)} of the workers of {start.release} finish their jobs, for {seconds} seconds at most"
