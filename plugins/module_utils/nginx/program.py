# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx on its way from one package to another: its account, and the program that runs."""

from __future__ import annotations

import contextlib
import glob
import grp
import json
import os
import pwd
import signal
import stat
import time

from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, Snapshot, remove, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE

PID_FILE = "/run/nginx.pid"
GUESTS = os.path.join(STATE, "nginx-guests")
# Where nginx writes bodies and answers too large for its memory: the distribution's package, and nginx.org's.
SPOOLS = ("/var/lib/nginx/*", "/var/cache/nginx/*")
PATIENCE = 10  # seconds a new master may take


def admit(user: str) -> None:
    """Make nginx's account to be a member of the group it is about to leave, so that it reaches every socket meanwhile."""
    group = host_facts.nginx_group()
    try:
        account = pwd.getpwnam(user)
        if group is None or grp.getgrnam(group).gr_gid == account.pw_gid:
            return
    except KeyError:
        return
    if user not in grp.getgrnam(group).gr_mem:
        guests = [*_guests(), {"user": user, "group": group}]
        replace_file(GUESTS, json.dumps({"schema": 1, "guests": guests}).encode(), Access(0o644))
        run(["gpasswd", "--add", user, group])
    # `nginx -t` gives these folders to the new account; the old workers reach them by their group until they are gone.
    _regroup_spools(0o700, 0o770, grp.getgrnam(group).gr_gid)


def dismiss() -> None:
    """End what ``admit`` began once every app's sockets are nginx's group's. Workers that run keep theirs until they are replaced."""
    guests, now = _guests(), host_facts.nginx_group()
    if not guests or now is None:
        return
    if any(os.stat(folder).st_gid != grp.getgrnam(now).gr_gid for folder in glob.glob("/var/www/*/run")):
        return
    for guest in guests:
        with contextlib.suppress(KeyError):
            if guest["user"] in grp.getgrnam(guest["group"]).gr_mem:
                run(["gpasswd", "--delete", guest["user"], guest["group"]])
    _regroup_spools(0o770, 0o700, 0)
    remove(GUESTS)


def _guests() -> list[dict[str, str]]:
    """Who was admitted where and not dismissed yet; several, where a host moved again before its apps had followed."""
    content = Snapshot.take(GUESTS).content
    return json.loads(content)["guests"] if content else []


def _regroup_spools(before: int, mode: int, gid: int) -> None:
    for folder in (path for pattern in SPOOLS for path in glob.glob(pattern)):
        if stat.S_IMODE(os.stat(folder).st_mode) == before:
            os.chown(folder, -1, gid)
            os.chmod(folder, mode)


def master() -> int | None:
    """The process id of nginx's master, if it runs."""
    try:
        with open(PID_FILE, encoding="ascii") as stream:
            pid = int(stream.read())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def is_outdated() -> bool:
    """Tell whether nginx runs a program that is no longer the installed one."""
    try:
        return os.readlink(f"/proc/{master()}/exe").endswith(" (deleted)")
    except OSError:
        return False


def hand_over() -> bool:
    """Let the installed program take the listening sockets over from the one that runs; tell whether it did.

    nginx's own way (https://nginx.org/en/docs/control.html#upgrade): no connection is refused. systemd learns the new master
    from the PID file when the old one ends.
    """
    old = master()
    if old is None:
        return False
    os.kill(old, signal.SIGUSR2)
    deadline = time.monotonic() + PATIENCE
    while (new := master()) in (None, old) or not _workers(new):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    os.kill(old, signal.SIGQUIT)
    return True


def _workers(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
