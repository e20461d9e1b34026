# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's Unix user and folders: made, checked, and taken away."""

from __future__ import annotations

import os
import pwd
import shutil

from ansible_collections.emperor.flask.plugins.module_utils import host, site, systemd
from ansible_collections.emperor.flask.plugins.module_utils.acme import Lineage
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.files import ensure_directory, give_sockets, remove
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout


def prepare(layout: Layout) -> None:
    """Give the app its account and its folders."""
    group = host.nginx_group()
    if group is None:
        raise Refusal("nginx went away while this ran; apply the role emperor.flask.nginx and run again")
    try:
        account = pwd.getpwnam(layout.name)
    except KeyError:
        user = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        run(["useradd", *user, "--home-dir", layout.home, "--comment", f"Flask app {layout.name}", layout.name])
    else:
        if account.pw_dir != layout.home:
            raise Refusal(
                f"the account '{layout.name}' is not ours: its home is {account.pw_dir}; name the app otherwise"
            )
    os.makedirs(os.path.dirname(layout.home), 0o755, exist_ok=True)
    if os.path.isdir(layout.run):
        # nginx may have come from another package, with another account; the folder gives its group to new sockets only.
        give_sockets(layout.run, group)
    for path, access in layout.directories(group).items():
        ensure_directory(path, access)
    for path, access in layout.log_files().items():
        if not os.path.exists(path) or access.differs(path):
            with open(path, "ab"):
                access.apply(path)


def misplaced(layout: Layout, nginx_group: str) -> bool:
    """Tell whether a folder has another owner or mode than it should, or a log is missing."""
    directories = layout.directories(nginx_group).items()
    amiss = any(not os.path.isdir(path) or access.differs(path) for path, access in directories)
    return amiss or any(not os.path.exists(path) for path in layout.log_files())


def exists(layout: Layout) -> bool:
    """Tell whether anything of an app is on the host: its account with our home, its folder, or its site."""
    return _has_account(layout) or os.path.isdir(layout.vassals) or site.stands(layout)


def remove_all(layout: Layout) -> None:
    """Take an app away completely: first from nginx, then its Emperor, its files and, last, its account."""
    site.withdraw(layout)
    Lineage(layout.name).forget()
    systemd.disable_now(layout.unit)
    for folder in (layout.vassals, layout.home, layout.logs, layout.certificates):
        shutil.rmtree(folder, ignore_errors=True)
    if _has_account(layout):
        run(["userdel", layout.name])
    remove(layout.lock)


def _has_account(layout: Layout) -> bool:
    """Tell whether the app's account is there, and ours."""
    try:
        return pwd.getpwnam(layout.name).pw_dir == layout.home
    except KeyError:
        return False
