# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's account while it moves to another group: it stays a member of the old one until every app's sockets have followed."""

from __future__ import annotations

import contextlib
import glob
import grp
import json
import os
import pwd
import stat

from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, Snapshot, remove, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE

MEMBERSHIPS = os.path.join(STATE, "nginx-guests")
# Where nginx writes bodies and answers too large for its memory: the distribution's package, and nginx.org's.
SPOOLS = ("/var/lib/nginx/*", "/var/cache/nginx/*")


def join_old_group(user: str) -> None:
    """Make nginx's account to be a member of the group it is about to leave, so that it reaches every socket meanwhile."""
    group = host_facts.nginx_group()
    try:
        account = pwd.getpwnam(user)
        if group is None or grp.getgrnam(group).gr_gid == account.pw_gid:
            return
    except KeyError:
        return
    if user not in grp.getgrnam(group).gr_mem:
        memberships = [*_memberships(), {"user": user, "group": group}]
        replace_file(MEMBERSHIPS, json.dumps({"schema": 1, "guests": memberships}).encode(), Access(0o644))
        run(["gpasswd", "--add", user, group])
    # `nginx -t` gives these folders to the new account; the old workers reach them by their group until they are gone.
    _regroup_spools(0o700, 0o770, grp.getgrnam(group).gr_gid)


def leave_old_groups() -> None:
    """End what ``join_old_group`` began once every app's sockets are nginx's group's. Workers that run keep theirs until they are replaced."""
    memberships, now = _memberships(), host_facts.nginx_group()
    if not memberships or now is None:
        return
    if any(os.stat(folder).st_gid != grp.getgrnam(now).gr_gid for folder in glob.glob("/var/www/*/run")):
        return
    for one in memberships:
        with contextlib.suppress(KeyError):
            if one["user"] in grp.getgrnam(one["group"]).gr_mem:
                run(["gpasswd", "--delete", one["user"], one["group"]])
    _regroup_spools(0o770, 0o700, 0)
    remove(MEMBERSHIPS)


def _memberships() -> list[dict[str, str]]:
    """Which account is still a member of which old group; several, where a host moved again before its apps had followed."""
    content = Snapshot.take(MEMBERSHIPS).content
    return json.loads(content)["guests"] if content else []


def _regroup_spools(before: int, mode: int, gid: int) -> None:
    for folder in (path for pattern in SPOOLS for path in glob.glob(pattern)):
        if stat.S_IMODE(os.stat(folder).st_mode) == before:
            os.chown(folder, -1, gid)
            os.chmod(folder, mode)
