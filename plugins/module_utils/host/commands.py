# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a command, and the one exception a user gets to read."""

from __future__ import annotations

import io
import os
import re
import subprocess
from typing import cast

from ansible.module_utils.common.warnings import warn

MOST_OUTPUT = 2**20  # bytes of a command's output that are kept
ADMINISTRATORS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
CHUNK = 2**16  # bytes that are read at a time
WARNED = re.compile(
    r"\[warn\](?: \d+#\d+:)? (.*)"
)  # nginx's way to say it, before it has read where its log is and after that


class Refusal(Exception):
    """Something cannot be done; the text names what, where and the remedy."""


def pass_on_warnings(said: str) -> None:
    """Show what nginx warned of among the play's own warnings, without its time and process, so that it is shown once for all hosts."""
    for warning in WARNED.findall(said):
        warn(f"nginx warns: {warning}")


class CommandFailed(Refusal):
    """A command ended with an error; ``code`` is its exit status, ``output`` what it printed, both streams in order."""

    def __init__(self, argv: list[str], code: int, output: str) -> None:
        super().__init__(f"'{' '.join(argv)}' ended with {code}:\n{output}")
        self.code, self.output = code, output


def run(argv: list[str], cwd: str | None = None, env: dict[str, str] | None = None, given: str | None = None) -> str:
    """Return what a command printed (both streams); raise CommandFailed when it cannot start or ends with an error.

    It has no terminal to ask on; ``given`` is a file that it reads as its standard input. What runs as an app's account is not started
    here, but in the app's box (jobs.py). Programs of administrators are found whoever became root: ``su`` keeps a user's PATH.
    """
    env = dict(os.environ if env is None else env)
    env["PATH"] = os.pathsep.join([env.get("PATH", os.defpath), *ADMINISTRATORS])
    try:
        with open(given or os.devnull, "rb") as stdin:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise CommandFailed(argv, 127, str(error)) from error
    with process:
        output = _end_of(cast(io.BufferedReader, process.stdout))
    if process.returncode:
        raise CommandFailed(argv, process.returncode, output.strip())
    return output


def _end_of(stream: io.BufferedReader) -> str:
    """What a command prints, without its beginning where that is more than MOST_OUTPUT: an app's may never end."""
    kept = b""
    while chunk := stream.read1(CHUNK):
        kept = (kept + chunk)[-MOST_OUTPUT:] if len(kept) + len(chunk) > 2 * MOST_OUTPUT else kept + chunk
    return kept[-MOST_OUTPUT:].decode(errors="replace")


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
