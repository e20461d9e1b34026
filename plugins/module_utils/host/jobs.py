# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a job of an app to its end: its output, or why it failed."""

from __future__ import annotations

from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host import box, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.box import Job
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

# What builds, beside the sandbox. Of the apps' folders they see only what they are given, and they have no UNIX socket of their own; what
# that leaves (socketpair(2) can still send to a name) is why root takes over a copy, by descriptors (bench.py).
BUILD = ["RestrictAddressFamilies=~AF_UNIX", "ReadWritePaths=", "TemporaryFileSystem=/var/www:ro", "UMask=0022"]


class TimedOut(CommandFailed):
    """A command was not done in time, and was killed with all that it had started."""


class Killed(CommandFailed):
    """A command was killed by a signal that nothing here has sent: because memory ran out, or by the app itself."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{KILLED}"


KILLED = (
    "It was killed by a signal. Where memory ran out, raise limits.memory or let it need less; where the live app did it, "
    "stop its Emperor first (systemctl stop uwsgi-emperor@APP)."
)
RESULTS = {
    "timeout": TimedOut,
    "oom-kill": Killed,
    "signal": Killed,
}  # of a unit (systemd.service(5)); on cgroup v1 systemd sees a signal only

SHELL_SAW_A_KILL = 128 + 9  # the exit status of a shell whose last command was killed


def run_job(job: Job, command: list[str], given: str | None = None) -> str:
    """Return what a command printed (both streams); raise TimedOut, Killed or CommandFailed. Nothing that it started is left afterwards.

    ``given`` is a file that it reads as its standard input. A unit of that name that a dead controller left behind is stopped first.
    """
    require_box(job.app)
    arguments = job.arguments(command, "--pipe")
    systemd.stop(f"{job.unit}.service")
    try:
        return run(arguments, given=given)
    except CommandFailed as error:
        result = run(["systemctl", "show", "--property=Result", "--value", f"{job.unit}.service"]).strip()
        systemd.stop(f"{job.unit}.service")
        kind = RESULTS.get(result, Killed if error.code == SHELL_SAW_A_KILL else CommandFailed)
        raise kind(command, error.code, error.output) from error
    except BaseException:
        systemd.stop(f"{job.unit}.service")
        raise


def because(error: CommandFailed, manifest: dict[str, Any], kind: str) -> str:
    """Why a job of this kind failed: the end of what it printed, and the remedy where it was killed or took too long."""
    said = tail(error.output)
    if isinstance(error, TimedOut):
        return f"it was not done within {box.timeout(manifest, kind)} seconds; raise timeouts.{kind}\n{said}".rstrip()
    return f"{said}\n{KILLED}".lstrip() if isinstance(error, Killed) else said


def require_box(app: str) -> None:
    """Raise Refusal where the host has no box, because it was prepared by an older version of this collection."""
    try:
        box.sandbox(app)
    except box.NoBox as error:
        raise Refusal(str(error)) from error


def build(layout: Layout, manifest: dict[str, Any], folder: str, settings: list[str]) -> Job:
    """A job that builds a release, as the account that builds for the app, in ``folder``; ``settings`` name what it may see and write."""
    return Job(
        layout.name, _build_unit(layout), layout.builder, folder, box.timeout(manifest, "build"), [*BUILD, *settings]
    )


def hook(layout: Layout, when: str, activation: str, manifest: dict[str, Any], folder: str) -> Job:
    """A job that runs a hook of an activation, as the app's user, in ``folder``."""
    unit = f"emperor-{when}-{box.escaped(layout.name)}-{activation}"
    return Job(layout.name, unit, layout.name, folder, box.timeout(manifest, "hook"), box.ceilings(manifest))


def stop_abandoned(layout: Layout) -> None:
    """Stop what a controller that died has left running of a release that did not come to life."""
    hooks = f"emperor-before_switch-{box.escaped(layout.name)}-*.service"
    others = [hooks.replace("before_switch", kind) for kind in ("share", "check")]
    systemd.stop(f"{_build_unit(layout)}.service", hooks, *others)


def _build_unit(layout: Layout) -> str:
    return f"emperor-build-{box.escaped(layout.name)}"
