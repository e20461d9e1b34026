# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules ask of systemd."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import (
    CommandFailed,
    Refusal,
    run,
    succeeds,
    tail,
)

ENABLED = (
    "enabled",
    "enabled-runtime",
    "static",
    "alias",
    "indirect",
    "generated",
)  # what systemctl is-enabled is content with


@dataclass(frozen=True)
class State:
    """What systemd says of a unit, in its words; of one that it does not know, all but ``active`` is empty."""

    active: str
    file: str
    control_group: str
    restarts: int = 0  # that systemd has made by itself
    tasks: int | None = None  # processes and threads, where they are counted

    @property
    def is_ready(self) -> bool:
        """Tell whether the unit is enabled and running."""
        return self.file in ENABLED and self.active in ("active", "reloading")


def states(units: Iterable[str]) -> dict[str, State]:
    """How units are, by their names; one question for all, for each costs as much as fifty."""
    asked = list(units)
    if not asked:
        return {}
    answer = run(
        ["systemctl", "show", "--property=ActiveState,UnitFileState,ControlGroup,NRestarts,TasksCurrent", *asked]
    )
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in answer.strip().split("\n\n")]
    return {
        unit: State(
            block["ActiveState"],
            block.get("UnitFileState", ""),
            block.get("ControlGroup", ""),
            int(block.get("NRestarts") or 0),
            int(block["TasksCurrent"]) if block.get("TasksCurrent", "").isdigit() else None,
        )
        for unit, block in zip(asked, blocks)
    }


def state(unit: str) -> State:
    """How a unit is."""
    return states([unit])[unit]


def is_ready(unit: str) -> bool:
    """Tell whether a unit is enabled and running."""
    return state(unit).is_ready


def enable_now(unit: str) -> None:
    """Enable a unit and start it unless it runs; a failure shows the unit's own last words."""
    _ask(unit, ["systemctl", "enable", "--quiet", "--now", unit])


def disable_now(unit: str) -> None:
    """Stop a unit, let it not start again, and forget that it failed; one that is not known is stopped already."""
    succeeds(["systemctl", "disable", "--quiet", "--now", unit])
    forget_failures([unit])


def stop(*units: str) -> None:
    """Stop units, by their whole names or by patterns of them, and forget that they failed; there may be none.

    In a pattern a backslash quotes, so one of a name is doubled there.
    """
    names = [unit.replace("\\", "\\\\") if "*" in unit else unit for unit in units]
    succeeds(["systemctl", "stop", *names])
    succeeds(["systemctl", "reset-failed", *names])


def forget_failures(units: list[str]) -> None:
    """Forget that units failed, such as one that was killed because it did not end in time."""
    if units:
        succeeds(["systemctl", "reset-failed", *units])


def stop_slice(name: str) -> None:
    """Kill everything in a slice, and stop its units; one that is not known has nothing in it."""
    succeeds(["systemctl", "kill", "--signal=KILL", name])
    succeeds(["systemctl", "stop", name])


def reload(unit: str) -> None:
    """Reload a unit that can be, restart one that cannot, start one that is stopped."""
    _ask(unit, ["systemctl", "reload-or-restart", unit])


def restart(unit: str) -> None:
    """Restart a unit; a failure shows the unit's own last words."""
    _ask(unit, ["systemctl", "restart", unit])


def try_reload(unit: str) -> None:
    """Reload a unit, or all that match a pattern, or restart what cannot reload; only running ones."""
    succeeds(["systemctl", "try-reload-or-restart", unit])


def main_pid(unit: str) -> int:
    """The process id of a unit's main process; 0 where it does not run."""
    return int(run(["systemctl", "show", "--property", "MainPID", "--value", unit]))


def scan_now(emperor: int) -> None:
    """Let a running Emperor look into its folder at once, not after emperor-freq seconds: SIGWINCH does that (uWSGI, core/emperor.c: emperor_wakeup).

    ``emperor`` is its process id; 0 is nobody's.
    """
    if emperor:
        with contextlib.suppress(ProcessLookupError):
            os.kill(emperor, signal.SIGWINCH)


def schedule(unit: str, seconds: int, argv: list[str]) -> None:
    """Let systemd run a command once, as root, so many seconds from now; ``unit`` is its name without a suffix.

    One of that name that waits or runs already stays as it is. Raises CommandFailed where systemd refuses.
    """
    # At a time of the day: each daemon-reload begins the seconds of --on-active anew, so on a host with many releases they would never be over.
    timer = [f"--unit={unit}", f"--on-calendar=@{time.time() + seconds:.0f}", "--timer-property=AccuracySec=1s"]
    try:
        run(["systemd-run", "--quiet", "--collect", *timer, *argv])
    except CommandFailed:
        if not succeeds(["systemctl", "is-active", "--quiet", f"{unit}.timer", f"{unit}.service"]):
            raise


def journal(unit: str, identifier: str, began: float) -> str:
    """What a unit's programs have said under an identifier since a moment, in seconds since the epoch: at most the last 1,000 lines."""
    run(["journalctl", "--sync"])  # what was said a moment ago is there
    which = [f"--unit={unit}", f"--identifier={identifier}", f"--since=@{began:.6f}", "--lines=1000"]
    return run(["journalctl", "--quiet", "--no-pager", "--output=cat", *which])


def start_beside(unit: str, argv: list[str]) -> None:
    """Let systemd run a command beside this process, as root, whatever becomes of that; ``unit`` is its name without a suffix."""
    run(["systemd-run", "--quiet", "--collect", f"--unit={unit}", *argv])


def daemon_reload() -> None:
    """Make systemd read changed unit files."""
    run(["systemctl", "daemon-reload"])


def _ask(unit: str, argv: list[str]) -> None:
    try:
        run(argv)
    except CommandFailed as error:
        journal = run(["journalctl", "--unit", unit, "--lines", "15", "--no-pager", "--output", "cat"])
        raise Refusal(f"{unit} does not start: {error.output}\n{tail(journal)}") from error
