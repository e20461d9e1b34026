# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules ask of apt and dpkg."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator

from ansible.module_utils.common.warnings import warn
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    keep,
    names_in,
    put_back,
    remove,
    replace_file,
)

LISTS = "/var/lib/apt/lists"
FRESH = 24 * 3600  # seconds for which package lists count as fresh
PATIENCE = 300  # seconds to wait while another program holds a lock
LOCKED = re.compile(r"Could not get lock|Unable to lock|Unable to acquire the dpkg frontend lock")
POLICY = "/usr/sbin/policy-rc.d"
QUIET = {
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "APT_LISTCHANGES_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",
}
# A configuration file that somebody changed stays; no question is asked.
KEEP = ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]


def apt_get(*arguments: str) -> str:
    """Run apt-get without questions, waiting for a held lock; raises CommandFailed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return run(["apt-get", "-q", "-y", *KEEP, *arguments], env={**os.environ, **QUIET})
        except CommandFailed as error:
            if not LOCKED.search(error.output) or time.monotonic() > deadline:
                raise
            time.sleep(2)


def have(packages: list[str]) -> None:
    """Install those of these packages that are missing, without what they only recommend; raise Refusal with apt's reason."""
    missing = [package for package in packages if installed(package) is None]
    if not missing:
        return
    install = ["install", "--no-install-recommends", *missing]
    with contextlib.suppress(CommandFailed):  # the lists may be old, or not there yet
        apt_get(*install)
        return
    try:
        apt_get("update")
        apt_get(*install)
    except CommandFailed as error:
        raise Refusal(f"apt cannot install {', '.join(missing)}: {tail(error.output)}") from error


@contextlib.contextmanager
def meanwhile(packages: list[str]) -> Iterator[None]:
    """Have packages for a while: afterwards those that were not there before are gone, with all that came along."""
    before = _installed()
    have(packages)
    came = sorted(_installed() - before)  # not what somebody else installs while this lasts
    try:
        yield
    finally:
        try:
            if came:
                apt_get("purge", *came)
        except CommandFailed as error:
            warn(f"{', '.join(came)} were needed for a build and cannot be taken away again: {tail(error.output)}")


def _installed(name: str = "binary:Package") -> set[str]:
    listed = run(["dpkg-query", "-W", "-f", f"${{db:Status-Status}} ${{{name}}}\n"]).split("\n")
    return {line.partition(" ")[2] for line in listed if line.startswith("installed ")}


def all_installed() -> list[str]:
    """The names of all installed packages, without their architecture."""
    return sorted(_installed("Package"))


def retain(packages: list[str]) -> None:
    """Let packages stay when somebody removes what they came with as dependencies."""
    if packages:
        run(["apt-mark", "manual", *packages])


def only(source: str) -> list[str]:
    """Options that make apt see one file of sources, and leave the lists of the others alone."""
    return ["-o", f"Dir::Etc::SourceList={source}", "-o", "Dir::Etc::SourceParts=-", "-o", "APT::Get::List-Cleanup=0"]


def has_lists(folder: str = LISTS) -> bool:
    """Tell whether any package list was ever fetched: without one apt knows no package but the installed ones."""
    return any(name.endswith("Release") for name in names_in(folder))


def lists_are_fresh() -> bool:
    """Tell whether the package lists are at most a day old, by the rule of ansible.builtin.apt."""
    return os.path.isdir(LISTS) and time.time() - os.stat(LISTS).st_mtime < FRESH


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        status, version = run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package]).split()
    except (CommandFailed, ValueError):
        return None
    return version if status == "installed" else None


def offered(package: str, *options: str) -> list[str]:
    """The versions that repositories offer, the one apt would choose on a host without the package first."""
    # Without a cache on disk: one made from part of the sources would be taken for the whole.
    uncached = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    return parse_policy(run(["apt-cache", *uncached, *options, "policy", package], env={**os.environ, **QUIET}))


def parse_policy(text: str) -> list[str]:
    """Read apt-cache's policy: versions by the highest priority of a repository that has them, the newest first among equals."""
    priorities: dict[str, int] = {}
    version = ""
    for line in text.partition("Version table:")[2].splitlines():
        if found := re.fullmatch(r"(?: \*\*\*|    ) (\S+) -?\d+", line):
            version = found.group(1)
        elif (found := re.fullmatch(r" {6,}(-?\d+) (.+)", line)) and "/dpkg/status" not in found.group(2):
            priorities[version] = max(int(found.group(1)), priorities.get(version, -(2**31)))
    # sorted() is stable, and apt lists the newest first.
    return sorted((one for one in priorities if priorities[one] >= 0), key=lambda one: -priorities[one])


@contextlib.contextmanager
def services_left_alone() -> Iterator[None]:
    """Let packages neither start, stop nor restart services; for as long as this process lives, even if it is killed."""
    keep(POLICY)
    script = f"#!/bin/sh\n[ -d /proc/{os.getpid()} ] || exit 0\nexit 101\n"
    replace_file(POLICY, script.encode(), Access(0o755))
    try:
        yield
    finally:
        put_back(POLICY)


def purge_conffiles(package: str) -> None:
    """Forget a removed package without running what its purge would do to files that belong to another package now."""
    last_words = f"/var/lib/dpkg/info/{package}.postrm"
    if os.path.exists(last_words):
        remove(last_words)
        run(["dpkg", "--purge", package], env={**os.environ, **QUIET})
