# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's box: whatever runs code of an app runs in a unit of the app's slice, under the sandbox of its Emperor. DESIGN.md, section 2.

The sandbox is stated once, in the Emperors' template unit, between two comments; the units that are made here for hooks, builds and
commands take it from there. The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing of ours.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

UNIT = "/etc/systemd/system/uwsgi-emperor@.service"
BEGIN, END = "# The box begins.", "# The box ends."
PROGRAM = "/usr/local/lib/uwsgi/app-environment"  # reads environment and secrets, then executes the command

# Of releases that were made before these could be set. Seconds; files that a process may have open; bytes of a file that one writes.
TIMEOUTS = {"build": 1800, "hook": 600, "command": 86400}
LIMITS = {"files": 65536, "log": 2**30}


class NoBox(Exception):
    """The Emperors' unit does not state the sandbox; the text says which and the remedy."""


@dataclass(frozen=True)
class Job:
    """A unit that runs one command of an app, and ends with all that it started.

    ``unit`` is its name without .service, ``user`` the account, ``folder`` where it starts (absolute), ``timeout`` how long it may take (seconds),
    ``settings`` what it needs beside the sandbox, as systemd.exec(5) writes it.
    """

    app: str
    unit: str
    user: str
    folder: str
    timeout: int
    settings: list[str] = field(default_factory=list)

    def arguments(self, command: list[str], *how: str, unit_file: str = UNIT) -> list[str]:
        """The systemd-run that runs a command, whose program is an absolute path; ``how`` are options, such as --pty for a terminal of its own.

        systemd puts variables in the place of ``$`` in a command, so each is doubled.
        """
        settings = [
            *sandbox(self.app, unit_file),
            f"User={self.user}",
            f"Group={self.user}",
            f"WorkingDirectory={self.folder}",
            "Type=oneshot",
            # What the command leaves running ends with it, at once, even if it does not listen.
            "KillSignal=SIGKILL",
            f"TimeoutStartSec={self.timeout}",
            # Where memory runs out, this goes before what serves.
            "OOMScoreAdjust=500",
            *self.settings,
        ]
        return [
            "systemd-run",
            *("--quiet", "--wait", *how),
            f"--unit={self.unit}",
            f"--slice={slice_of(self.app)}",
            f"--description=A command of the Flask app {self.app}",
            *(f"--property={setting}" for setting in settings),
            "--",
            *(part.replace("$", "$$") for part in command),
        ]


def escaped(app: str) -> str:
    """An app's name within a unit's: a plain ``-`` would make ``shop-2`` a child of ``shop`` (systemd.slice(5))."""
    return app.replace("-", "\\x2d")


def slice_of(app: str) -> str:
    """The slice that all units of an app are in; its limits count for them together."""
    return f"emperor-{escaped(app)}.slice"


def sandbox(app: str, unit_file: str = UNIT) -> list[str]:
    """The settings of the box, for an app; raises NoBox where the unit does not have them."""
    settings: list[str] | None = None
    try:
        with open(unit_file, encoding="utf-8") as stream:
            for line in map(str.strip, stream):
                if line == END and settings is not None:
                    return settings
                if line == BEGIN:
                    settings = []
                elif settings is not None and "=" in line and not line.startswith(("#", ";")):
                    settings.append(line.replace("%i", app))
    except FileNotFoundError:
        pass
    raise NoBox(
        f"{unit_file} does not state the apps' sandbox between '{BEGIN}' and '{END}'; apply the role emperor.flask.uwsgi_emperor first "
        "(site.yml). A template of yours in its place (uwsgi_emperor_unit_template) must have these lines"
    )


def timeout(manifest: dict[str, Any], kind: str) -> int:
    """How long a build, hook or command of a release may take, in seconds."""
    return int(manifest.get("timeouts", TIMEOUTS)[kind])


def ceilings(manifest: dict[str, Any]) -> list[str]:
    """The limits of each process of a release; those of the whole box are its slice's."""
    limits = manifest.get("limits", LIMITS)
    return [f"LimitNOFILE={limits['files']}", f"LimitFSIZE={limits['log']}"]


def in_release(folder: str, code: str, venv: str, pythonpath: list[str], secrets: str, command: list[str]) -> list[str]:
    """A command with a release's environment, its packages first on the path, and the secrets of an activation; empty paths are left out."""
    env = os.path.join(folder, "env") if folder else ""
    return [PROGRAM, env, secrets, venv, ":".join(pythonpath), code, *command]
