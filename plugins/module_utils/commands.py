# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command, and the one exception a user gets to read."""

from __future__ import annotations

import os
import subprocess


class Refusal(Exception):
    """Something cannot be done; the text names what, where and the remedy."""


class CommandFailed(Refusal):
    """A command ended with an error; ``code`` is its exit status, ``output`` what it printed, both streams in order."""

    def __init__(self, argv: list[str], code: int, output: str) -> None:
        super().__init__(f"'{' '.join(argv)}' ended with {code}:\n{output}")
        self.code, self.output = code, output


def run(argv: list[str], cwd: str | None = None, env: dict[str, str] | None = None, given: str | None = None) -> str:
    """Return what a command printed (both streams); raise CommandFailed when it cannot start or ends with an error.

    It has no terminal to ask on; ``given`` is a file that it reads as its standard input. What runs as an app's account is not started
    here, but in the app's box (jobs.py).
    """
    try:
        with open(given or os.devnull, "rb") as stdin:
            done = subprocess.run(
                argv,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(argv, 127, str(error)) from error
    if done.returncode:
        raise CommandFailed(argv, done.returncode, done.stdout.strip())
    return done.stdout


def succeeds(argv: list[str]) -> bool:
    """Tell whether a command ends without an error, for commands that answer a question that way."""
    try:
        run(argv)
    except CommandFailed:
        return False
    return True


def tail(text: str, lines: int = 20) -> str:
    """The last lines of a command's output or a log, where the cause stands."""
    return "\n".join(text.rstrip().splitlines()[-lines:])
