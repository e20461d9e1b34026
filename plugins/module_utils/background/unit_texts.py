# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit files of workers and timers, as texts: a command of a release in the app's box, by the sandbox of its Emperor.

A unit belongs to a start: the release, and the number of the activation that it was started with. Its secrets are a copy of its own, since
those of an activation go with its vassal, and a worker may be started again long after that.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Background, Timer, Worker
from ansible_collections.emperor.flask.plugins.module_utils.host import box
from ansible_collections.emperor.flask.plugins.module_utils.host.files import ACTIVATION
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

STARTED = "[Install]"  # in a unit file that starts with the host
COPY = "background-"  # begins the name of a copy of secrets
HEADER = "# Managed by emperor.flask (role flask_app); changes made here are lost."
QUEUED = "/run/emperor-flask/queued"  # a mark for each timer's command that is to run once more


@dataclass(frozen=True)
class Start:
    """A start of a release's workers and timers; ``manifest`` is the release's."""

    layout: Layout
    activation: Activation
    manifest: dict[str, Any]

    @property
    def secrets(self) -> str:
        """The copy of the activation's secrets."""
        return secrets_of(self.layout, self.activation)


def secrets_of(layout: Layout, activation: Activation) -> str:
    """Where the copy of an activation's secrets is."""
    return os.path.join(layout.secrets, f"{COPY}{activation}")


def worker_units(layout: Layout, stated: Worker, activation: Activation) -> list[str]:
    """The units of a worker's processes, in a start."""
    begin = f"emperor-worker-{box.escaped(layout.name)}-{box.escaped(stated.name)}-{activation}"
    return [f"{begin}-{process}.service" for process in range(1, stated.processes + 1)]


def worker_of(layout: Layout, unit: str) -> tuple[str, Activation] | None:
    """The escaped name of a worker and the start that a unit is of; None for another unit."""
    found = re.fullmatch(rf"emperor-worker-{re.escape(box.escaped(layout.name))}-(.+)-{ACTIVATION}-\d+\.service", unit)
    return (found.group(1), Activation(found.group(2), int(found.group(3)))) if found else None


def timer_unit(layout: Layout, name: str, suffix: str) -> str:
    """A unit of a timer: ``.timer``, ``.service`` for the command, ``-due.service`` for what starts it where it may be running."""
    return f"emperor-timer-{box.escaped(layout.name)}-{box.escaped(name)}{suffix}"


def queued(command: str) -> str:
    """The mark that a timer's command is to run once more."""
    return os.path.join(QUEUED, command)


def worker(start: Start, stated: Worker, unit: str) -> str:
    """The text of a worker's unit. Only its main program is told to stop: it lets those that it has started finish.

    So the shell has to become that program.
    """
    return "\n".join(
        [
            HEADER,
            "[Unit]",
            f"Description=Worker {stated.name} of the Flask app {start.layout.name}, release {start.activation.release}",
            "After=network.target",
            "PartOf=uwsgi-emperor.target",
            "StartLimitIntervalSec=0",
            "# One that was cut off leaves no failed unit behind.",
            "CollectMode=inactive-or-failed",
            "",
            "[Service]",
            "Type=exec",
            variable(start, stated, unit),
            *_command(start, f"exec {stated.command}"),
            f"SyslogIdentifier={start.layout.name}/{stated.name}",
            "KillMode=mixed",
            f"KillSignal=SIG{stated.stop_signal}",
            f"TimeoutStopSec={stated.stop_timeout}",
            "Restart=always",
            "RestartSec=2",
            "OOMPolicy=continue",
            "",
            STARTED,
            "WantedBy=uwsgi-emperor.target",
            "",
        ]
    )


def timer(start: Start, stated: Timer) -> dict[str, str]:
    """The texts of a timer's units, by their names."""
    layout = start.layout
    command, due = (timer_unit(layout, stated.name, suffix) for suffix in (".service", "-due.service"))
    again = queued(command)
    afterwards = f'[ ! -e "{again}" ] || {{ rm "{again}"; systemctl start --no-block "{command}"; }}'
    texts = {
        timer_unit(layout, stated.name, ".timer"): "\n".join(
            [
                HEADER,
                "[Unit]",
                f"Description=Timer {stated.name} of the Flask app {layout.name}",
                "PartOf=uwsgi-emperor.target",
                "",
                "[Timer]",
                f"OnCalendar={stated.schedule}",
                f"Unit={command if stated.overlap == 'skip' else due}",
                "AccuracySec=1s",
                f"RandomizedDelaySec={stated.jitter}",
                "# What was due while the host was down runs when it is up again.",
                "Persistent=yes",
                "",
                STARTED,
                "WantedBy=uwsgi-emperor.target",
                "",
            ]
        ),
        command: "\n".join(
            [
                HEADER,
                "[Unit]",
                f"Description=Timer {stated.name} of the Flask app {layout.name}, release {start.activation.release}",
                "StartLimitIntervalSec=0",
                "",
                "[Service]",
                "Type=oneshot",
                *_command(start, stated.command),
                f"SyslogIdentifier={layout.name}/{stated.name}",
                f"TimeoutStartSec={stated.timeout}",
                "TimeoutStopSec=10",
                "OOMScoreAdjust=500",
                *([f"ExecStopPost=+/bin/sh -c {_quoted(afterwards)}"] if stated.overlap == "queue" else []),
                "",
            ]
        ),
    }
    if stated.overlap == "skip":
        return texts
    restart = f'systemctl restart --no-block "{command}"'
    queue = (
        f'case $(systemctl show --property ActiveState --value "{command}") in\n'
        f'activating | deactivating) mkdir -p {QUEUED} && touch "{again}" ;;\n'
        f'*) systemctl start --no-block "{command}" ;;\n'
        "esac"
    )
    text = restart if stated.overlap == "kill" else queue
    what = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c {_quoted(text)}\n"
    return {
        **texts,
        due: f"{HEADER}\n[Unit]\nDescription=Start of timer {stated.name} of {layout.name}\nStartLimitIntervalSec=0\n\n{what}",
    }


def shell(start: Start, command: str) -> list[str]:
    """What runs a shell's line with all that a release has."""
    layout, made_of = start.layout, start.manifest
    code, venv = layout.code(made_of["code"]), layout.venv(made_of["venv"])
    release = layout.release(start.activation.release)
    return box.in_release(release, code, venv, made_of["pythonpath"], start.secrets, ["/bin/sh", "-c", command])


def variable(start: Start, stated: Worker, unit: str) -> str:
    """The setting that gives a worker a name of its own: releases overlap."""
    return f"Environment=EMPEROR_WORKER={stated.name}-{start.activation}-{_process(unit)}"


def _command(start: Start, command: str) -> list[str]:
    """The settings that run a shell's line as the app, in its box, with all that its release has."""
    layout, made_of = start.layout, start.manifest
    return [
        f"User={layout.name}",
        f"Group={layout.name}",
        f"Slice={box.slice_of(layout.name)}",
        f"WorkingDirectory={layout.code(made_of['code'])}",
        f"ExecStart={' '.join(map(_quoted, shell(start, command)))}",
        *box.sandbox(layout.name),
        *box.ceilings(made_of),
    ]


def _process(unit: str) -> str:
    """The number of a process in its unit's name."""
    return unit.removesuffix(".service").rpartition("-")[2]


def _quoted(word: str) -> str:
    """A word of ExecStart=: systemd would read quotes, backslashes, variables and specifiers in it (systemd.service(5))."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("%", "%%"), ("$", "$$")):
        word = word.replace(plain, written)
    return f'"{word}"'


def texts(start: Start, stated: Background) -> dict[str, str]:
    """The texts of all units of a start, by their names."""
    found = {
        unit: worker(start, each, unit)
        for each in stated.workers
        for unit in worker_units(start.layout, each, start.activation)
    }
    for each in stated.timers:
        found |= timer(start, each)
    return found
