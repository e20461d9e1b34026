# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Unix accounts of apps. A number that one had is never given to another: a file that was overlooked would be the other's."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import signal
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, Snapshot, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE

RECORD = os.path.join(STATE, "uids")  # a line for each number that was given away: number and account
NUMBERS = range(999, 100, -1)  # system accounts, as useradd(8) counts them on Debian and Ubuntu
PATIENCE = 10  # seconds a killed process may take to be gone


def make(name: str, home: str, comment: str) -> None:
    """Make a system account that nobody can log in to, with a group of its own, unless it is there; raise Refusal if it is another's."""
    with contextlib.suppress(KeyError):
        if pwd.getpwnam(name).pw_dir != home:
            raise Refusal(
                f"the account '{name}' is not ours: its home is {pwd.getpwnam(name).pw_dir}; name the app otherwise"
            )
        return
    number = _of_our_group(name)
    if number is None:
        number = str(_unused())
        remember(name, number)
        run(["groupadd", "--system", "--gid", number, name])
    how = ["--system", "--uid", number, "--gid", name, "--no-create-home", "--shell", "/usr/sbin/nologin"]
    run(["useradd", *how, "--home-dir", home, "--comment", comment, name])


def unmake(name: str, home: str) -> None:
    """Take an account away if it is ours, with its group, and remember its number."""
    number = number_of(name, home)
    if number is not None:
        remember(name, str(number))
        run(["userdel", name])
    if _of_our_group(name) is not None:
        run(["groupdel", name])


def groups() -> list[str]:
    """The groups of a host that are not ours, and those of our accounts: of ours alone, a run that died has made one without an account."""
    accounts = {account.pw_name for account in pwd.getpwall()}
    names = [group.gr_name for group in grp.getgrall()]
    return [name for name in names if name in accounts or _of_our_group(name) is None]


def _of_our_group(name: str) -> str | None:
    """The number of a group that we made."""
    with contextlib.suppress(KeyError):
        number = str(grp.getgrnam(name).gr_gid)
        return number if f"{number} {name}" in _recorded() else None
    return None


def number_of(name: str, home: str) -> int | None:
    """The number of an account that is ours: its home tells. None where there is none."""
    with contextlib.suppress(KeyError):
        account = pwd.getpwnam(name)
        return account.pw_uid if account.pw_dir == home else None
    return None


def remember(name: str, number: str) -> None:
    """Write down that this number was given away."""
    lines = _recorded()
    if f"{number} {name}" not in lines:
        os.makedirs(os.path.dirname(RECORD), 0o755, exist_ok=True)
        replace_file(RECORD, "".join(f"{line}\n" for line in [*lines, f"{number} {name}"]).encode(), Access(0o644))


def _recorded() -> list[str]:
    return Snapshot.take(RECORD).text.splitlines()


def _unused() -> int:
    given = {int(line.split()[0]) for line in _recorded()}
    taken = {account.pw_uid for account in pwd.getpwall()} | {group.gr_gid for group in grp.getgrall()} | given
    for number in NUMBERS:
        if number not in taken:
            return number
    raise Refusal(
        f"every number of a system account was given to an app once ({RECORD} lists them); remove those from it that no file of the host belongs to"
    )


def end_all(numbers: set[int]) -> None:
    """Kill every process of these accounts, until there is none; raise Refusal with those that do not end."""
    deadline = time.monotonic() + PATIENCE
    while left := list(processes(numbers)):
        if time.monotonic() > deadline:
            raise Refusal(
                f"its processes {', '.join(map(str, left))} do not end though they were killed; restart the host and run again"
            )
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def processes(numbers: set[int], proc: str = "/proc") -> Iterator[int]:
    """The processes that run as one of these accounts, whichever of a process's four user ids it is; not those that have ended.

    A container's are another host's: images give their programs numbers of their own. An app cannot make itself a namespace.
    """
    own = os.readlink(os.path.join(proc, "self/ns/pid"))
    for pid in filter(str.isdigit, os.listdir(proc)):
        with (
            contextlib.suppress(OSError),
            open(os.path.join(proc, pid, "status"), encoding="utf-8", errors="replace") as stream,
        ):
            fields = dict(line.split(":", 1) for line in stream if ":" in line)
            if numbers & set(map(int, fields["Uid"].split())) and _is_alive(fields, pid, own, proc):
                yield int(pid)


def _is_alive(fields: dict[str, str], pid: str, namespace: str, proc: str) -> bool:
    """Tell whether a process runs in this namespace and has not ended."""
    return not fields["State"].strip().startswith("Z") and os.readlink(os.path.join(proc, pid, "ns/pid")) == namespace
