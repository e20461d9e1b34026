# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The processes of an app's workers: started and watched, told to stop, and what is left of them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from ansible_collections.emperor.flask.plugins.module_utils.background import unit_files, unit_texts
from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Worker
from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import Start
from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail

INTERVAL = 0.2  # seconds between two looks at a worker
CHECKED = 60  # seconds within which a check_command has to succeed
SAID = 15  # lines of a worker's that an error shows
ALIVE = ("active", "reloading", "activating", "deactivating")


def bring_up(start: Start, workers: Iterable[Worker]) -> None:
    """Start workers, and return when each has lived for the seconds of its check and its check_command has succeeded.

    Where one does not, raise Refusal with what it said.

    What runs already, from the same unit file, goes on and is not looked at.
    """
    asked = {
        unit: worker for worker in workers for unit in unit_texts.worker_units(start.layout, worker, start.activation)
    }
    ran = {unit for unit, state in systemd.states(asked).items() if state.active == "active"}
    changed = unit_files.write({unit: unit_texts.worker(start, worker, unit) for unit, worker in asked.items()})
    started = {unit: worker for unit, worker in asked.items() if unit not in ran or unit in changed}
    if not started:
        return
    try:
        run(["systemctl", "restart", *started])
    except CommandFailed as error:
        _blame(started, f"cannot be started: {tail(error.output)}")
    _watch(started)
    for unit, worker in started.items():
        if worker.check_command:
            _ask(start, unit, worker)


def _ask(start: Start, unit: str, worker: Worker) -> None:
    """Run a process's check_command, in the app's box, until it succeeds."""
    name = unit.replace("worker", "check", 1).removesuffix(".service")
    settings = [*box.ceilings(start.manifest), unit_texts.variable(start, worker, unit)]
    app, code = start.layout.name, start.layout.code(start.manifest["code"])
    job = box.Job(app, name, app, code, CHECKED, settings)
    deadline = time.monotonic() + CHECKED
    while True:
        try:
            jobs.run_job(job, unit_texts.shell(start, worker.check_command))
            return
        except CommandFailed as error:
            if time.monotonic() > deadline:
                raise Refusal(
                    f"the worker '{worker.name}' is not ready within {CHECKED} seconds: its check_command '{worker.check_command}' "
                    f"ended with {error.code}. The end of its output:\n{tail(error.output)}"
                ) from error
        time.sleep(1)


def _watch(started: dict[str, Worker]) -> None:
    began, before = time.monotonic(), systemd.states(started)
    while True:
        states, lived = systemd.states(started), time.monotonic() - began
        for unit, worker in started.items():
            ended = states[unit].active != "active" or states[unit].restarts > before[unit].restarts
            if ended and lived <= worker.check + INTERVAL:
                _refuse(unit, worker, f"ended within {worker.check} seconds of its start")
        if lived > max(worker.check for worker in started.values()):
            return
        time.sleep(INTERVAL)


def tell_to_stop(units: list[str], wait: bool = False) -> None:
    """Let processes finish their jobs and end; they are not started again, not even with the host."""
    if units:
        unit_files.unlink(units)
        run(["systemctl", "stop", *([] if wait else ["--no-block"]), *units])


def start_again(units: list[str]) -> None:
    """Start processes that were told to stop, once they have ended; nobody waits for it."""
    if units:
        run(["systemctl", "start", "--no-block", *units])


def finishing(units: list[str]) -> list[str]:
    """Those of these units that have not ended yet."""
    return [unit for unit, state in systemd.states(units).items() if state.active in ALIVE]


def _blame(asked: dict[str, Worker], what: str) -> None:
    """Raise Refusal for the first that does not run."""
    states = systemd.states(asked)
    for unit, worker in asked.items():
        if states[unit].active != "active":
            _refuse(unit, worker, what)
    raise Refusal(f"the workers {what}")


def _refuse(unit: str, worker: Worker, what: str) -> None:
    said = run(["journalctl", "--unit", unit, "--lines", str(SAID), "--no-pager", "--output", "cat"])
    raise Refusal(
        f"the worker '{worker.name}' ({worker.command}) {what} [worker-down]. The end of its journal:\n{tail(said, SAID)}"
    )
