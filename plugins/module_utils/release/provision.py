# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's Unix accounts, folders and slice: made and checked."""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host import slices, users
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import ensure_directory, give_sockets
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site


def prepare(layout: Layout, limits: str) -> None:
    """Give the app its accounts, its folders, and its slice; ``limits`` is the text of the slice's unit file."""
    group = host_facts.nginx_group()
    if group is None:
        raise Refusal("nginx went away while this ran; apply the role emperor.flask.nginx and run again")
    with host_lock():
        users.make(layout.name, layout.home, f"Flask app {layout.name}")
        users.make(layout.builder, layout.home, f"Builds of the Flask app {layout.name}")
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
    with host_lock():
        slices.apply(layout, limits)


def misplaced(layout: Layout, nginx_group: str) -> str | None:
    """The first folder or log that is missing, or a folder with another owner or mode than it should have."""
    for path, access in layout.directories(nginx_group).items():
        if not os.path.isdir(path) or access.differs(path):
            return path
    return next((path for path in layout.log_files() if not os.path.exists(path)), None)


def exists(layout: Layout) -> bool:
    """Tell whether anything of an app is on the host: an account with our home, its folder, or its site."""
    ours = any(users.number_of(name, layout.home) is not None for name in (layout.name, layout.builder))
    return ours or os.path.isdir(layout.vassals) or site.stands(layout)
