# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pip as the host's settings want it: which index, with which credentials, through which proxy.

The role prerequisites writes them to ``FOLDER``. Credentials of an index go to pip as a netrc file and those of a proxy through
the environment, never in a URL of pip.conf: pip hands its index URLs to the pips that it starts for builds as arguments, which
everybody on the host can read in the process list.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.files import Access, Snapshot, remove, replace_file

FOLDER = "/etc/emperor-flask"
TEMPORARY = "/var/tmp"  # /tmp is often mounted noexec, and a build executes what it has compiled
RETRIES = "2"  # pip's default, 5, lets an index that does not answer take two minutes
INDEX = "https://pypi.org/simple"
GAVE_UP = re.compile(r"Retry\(total=0|Max retries exceeded")
NO_ANSWER = re.compile(r"connection broken by '(.*)'|Max retries exceeded .*Caused by (.*)\)")
NO_ANSWER_FROM = re.compile(r"(?:host=|resolve |Connection to )'?([\w.-]+)")
REMEDY = "Correct prerequisites_package_index, prerequisites_proxy or prerequisites_ca_certificate, or mend what does not answer."


def pip(python: str, *arguments: str, folder: str, user: str | None = None, cwd: str | None = None) -> str:
    """Run pip of a virtual environment, and return what it printed.

    ``folder`` belongs to ``user`` and nobody else can read it; it holds what pip needs while it runs. Raise CommandFailed
    for what pip could not do, and Refusal for an index that did not answer.
    """
    started = time.monotonic()
    with _environment(folder, user) as environment:
        try:
            return run(
                [python, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--no-input", *arguments],
                env=environment,
                user=user,
                cwd=cwd,
            )
        except CommandFailed as error:
            reason = unanswered(error.output)
            if reason is None:
                raise
            raise Refusal(
                f"{index_named(error.output)} did not answer within {time.monotonic() - started:.0f} seconds: {reason}\n{REMEDY}"
            ) from error


@contextlib.contextmanager
def _environment(folder: str, user: str | None) -> Iterator[dict[str, str]]:
    """The environment for pip; a user gets a copy of the credentials, which are root's, for as long as pip runs."""
    environment = {
        "PIP_RETRIES": RETRIES,
        **os.environ,
        "HOME": folder,
        "TMPDIR": TEMPORARY,
        "LC_ALL": "C.UTF-8",
    }
    settings = os.path.join(FOLDER, "pip.conf")
    if os.path.exists(settings):
        environment["PIP_CONFIG_FILE"] = settings
    proxy = Snapshot.take(os.path.join(FOLDER, "proxy")).content
    if proxy:
        environment.update(line.split("=", 1) for line in proxy.decode().splitlines())
    credentials = Snapshot.take(os.path.join(FOLDER, "netrc")).content
    copy = os.path.join(folder, ".netrc")
    if credentials:
        replace_file(copy, credentials, Access(0o400, user or "root", user or "root"))
        environment["NETRC"] = copy
    try:
        yield environment
    finally:
        remove(copy)


def unanswered(output: str) -> str | None:
    """Why an index did not answer, in pip's words; None if pip failed for another reason."""
    if not GAVE_UP.search(output):
        return None
    found = [match.group(1) or match.group(2) for match in NO_ANSWER.finditer(output)]
    return found[-1] if found else None


def reason(output: str, folder: str) -> str:
    """The last lines of a pip or build that failed; where a disk is full, with the space that is left in ``folder`` and beside."""
    text = tail(output)
    if "No space left on device" not in output:
        return text
    left = [f"{shutil.disk_usage(place).free // 2**20} MB in {place}" for place in (folder, TEMPORARY)]
    return f"{text}\nA disk is full: there are {' and '.join(left)} left; make room and run again."


def index_named(output: str) -> str:
    """The index that did not answer: by its host where pip names it, else by what pip was told."""
    host = NO_ANSWER_FROM.search(unanswered(output) or "")
    looked = re.search(r"^Looking in indexes: (.*)$", output, re.MULTILINE)
    indexes = looked.group(1) if looked else INDEX
    return f"the package index at {host.group(1)}" if host else f"the package index {indexes}"
