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
from collections.abc import Callable, Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host import proxy
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    remove_tree,
    replace_file,
)
from ansible_collections.emperor.flask.plugins.module_utils.python.pip_output import cause_first

FOLDER = "/etc/emperor-flask"
LENT = "/var/www/lent"  # where a build sees what is lent to it
# What the environment may say of where packages come from. Not how they are installed: PIP_USER, say, is about root's own.
TOLD = re.compile(
    r"PIP_(\w*INDEX\w*|FIND_LINKS|TRUSTED_HOST|\w*CERT|PROXY|\w*TIMEOUT|RETRIES|CONSTRAINT|\w+_BINARY)|(https?|all|no)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE",
    re.IGNORECASE,
)
QUOTED = re.compile(r'["\\`$]')  # what double quotes do not protect (systemd.exec(5))
TEMPORARY = "/var/www/tmp"  # where a build has room of its own: /tmp and /var/tmp are often mounted noexec, and a build executes what it has compiled
RETRIES = "2"  # pip's default, 5, lets an index that does not answer take two minutes
INDEX = "https://pypi.org/simple"
GAVE_UP = re.compile(r"Retry\(total=0|Max retries exceeded")
NO_ANSWER = re.compile(r"connection broken by '(.*)'|Max retries exceeded .*Caused by (.*)\)")
NO_ANSWER_FROM = re.compile(r"(?:host=|resolve |Connection to )'?([\w.-]+)")
REMEDY = "Correct prerequisites_package_index, prerequisites_proxy or prerequisites_ca_certificate, or mend what does not answer."


def pip(python: str, *arguments: str, runner: Callable[[list[str]], str]) -> str:
    """Run pip of a virtual environment, and return what it printed.

    ``runner`` runs a command with what lent() or own() says. Raise CommandFailed for what pip could not do, and Refusal for an index that
    did not answer.
    """
    started = time.monotonic()
    try:
        return runner([python, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "--no-input", *arguments])
    except CommandFailed as error:
        reason = unanswered(error.output)
        if reason is None:
            raise
        raise Refusal(
            f"{index_named(error.output)} did not answer within {time.monotonic() - started:.0f} seconds: {reason}\n{REMEDY}"
        ) from error


def own(folder: str) -> dict[str, str]:
    """The environment for a pip that runs as root, in a folder of root's."""
    netrc = os.path.join(FOLDER, "netrc")
    return {**os.environ, **_variables(folder), **({"NETRC": netrc} if os.path.exists(netrc) else {})}


@contextlib.contextmanager
def lent(bench: str, user: str, texts: dict[str, str], given: dict[str, str]) -> Iterator[list[str]]:
    """What a job of ``user`` needs for pip, as settings of its unit: environment, credentials, files that pip reads, and room (TEMPORARY).

    ``given`` are variables of the app's, which go before ours.

    It sees them in LENT for as long as this lasts; they stand in ``bench``, which is root's.
    """
    folder, room = os.path.join(bench, "lent"), os.path.join(bench, "tmp")
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    os.mkdir(room, 0o700)
    Access(0o700, user, user).apply(room)
    variables = _variables(TEMPORARY)
    try:
        for name, text in texts.items():
            replace_file(os.path.join(folder, name), text.encode(), Access(0o644))
        credentials = Snapshot.take(os.path.join(FOLDER, "netrc")).content
        if credentials:
            replace_file(os.path.join(folder, "netrc"), credentials, Access(0o400, user, user))
            variables["NETRC"] = os.path.join(LENT, "netrc")
        # By way of a file: anybody can ask systemd for the environment of a unit.
        environment = os.path.join(bench, "environment")
        replace_file(environment, "".join(map(_line, {**variables, **given}.items())).encode(), Access(0o600))
        yield [f"EnvironmentFile={environment}", f"BindReadOnlyPaths={folder}:{LENT}", f"BindPaths={room}:{TEMPORARY}"]
    finally:
        remove_tree(folder)
        remove_tree(room)


def _variables(room: str) -> dict[str, str]:
    """What pip is told by its environment: this, and what the play's own says of indexes and proxies. ``room`` is its home, and for what it builds.

    A pip.conf of the host counts for where packages come from; ``user = true`` in it has no place in a virtual environment.
    """
    told = {name: value for name, value in os.environ.items() if TOLD.fullmatch(name)}
    variables = {"PIP_RETRIES": RETRIES, **told, "PIP_USER": "0", "HOME": room, "TMPDIR": room, "LC_ALL": "C.UTF-8"}
    settings = os.path.join(FOLDER, "pip.conf")
    if os.path.exists(settings):
        variables["PIP_CONFIG_FILE"] = settings
    return {**variables, **proxy.environment(os.path.join(FOLDER, "proxy"))}


def _line(variable: tuple[str, str]) -> str:
    """A line of systemd's EnvironmentFile."""
    name, value = variable[0], QUOTED.sub(r"\\\g<0>", variable[1])
    return f'{name}="{value}"\n'


def unanswered(output: str) -> str | None:
    """Why an index did not answer, in pip's words; None if pip failed for another reason."""
    if not GAVE_UP.search(output):
        return None
    found = [match.group(1) or match.group(2) for match in NO_ANSWER.finditer(output)]
    return found[-1] if found else None


def reason(output: str, folder: str) -> str:
    """Why a pip or build failed, and the end of what it said; where a disk is full, with the space that is left in ``folder``."""
    text = cause_first(output)
    left = shutil.disk_usage(folder).free // 2**20
    if left and "No space left on device" not in output:  # venv does not repeat what its pip said
        return text
    return f"{text}\nA disk is full: there are {left} MB left in {folder}; make room and run again."


def index_named(output: str) -> str:
    """The index that did not answer: by its host where pip names it, else by what pip was told."""
    host = NO_ANSWER_FROM.search(unanswered(output) or "")
    looked = re.search(r"^Looking in indexes: (.*)$", output, re.MULTILINE)
    indexes = looked.group(1) if looked else INDEX
    return f"the package index at {host.group(1)}" if host else f"the package index {indexes}"
