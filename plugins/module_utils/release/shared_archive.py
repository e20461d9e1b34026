# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app that goes away had in ``shared``, kept as an archive for its return or for another app."""

from __future__ import annotations

import os
import re
import shutil
import time

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.files import names_in, remove
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

FOLDER = "/var/lib/emperor-flask/archives"
REMEDY = "make room, or say keep_shared: false in its entry to give the files up"
MIB = 1024 * 1024


def clear(layout: Layout, folder: str = FOLDER) -> None:
    """Take away what a run that died has left of archives of this app; its lock is held, so nobody writes one."""
    partial = re.compile(rf"{re.escape(layout.name)}-\d{{4}}-\d\d-\d\dT\d{{6}}\.tar\.gz\.partial")
    for name in filter(partial.fullmatch, names_in(folder)):
        remove(os.path.join(folder, name))


def require_room(layout: Layout, folder: str = FOLDER) -> None:
    """Raise Refusal where the files would not fit, before anything is taken away."""
    if not names_in(layout.shared):
        return
    needed = int(run(["du", "--summarize", "--bytes", "--one-file-system", "--", layout.shared]).split()[0])
    os.makedirs(folder, 0o700, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Refusal(
            f"its shared files are {needed // MIB} MiB, and {folder}, where they would be kept, has {free // MIB} MiB left; {REMEDY}"
        )


def keep(layout: Layout, folder: str = FOLDER) -> str | None:
    """Archive the files, and return the archive's path; None where there are none. Nothing of the app may run any more."""
    if not names_in(layout.shared):
        return None
    path = os.path.join(folder, f"{layout.name}-{time.strftime('%Y-%m-%dT%H%M%S')}.tar.gz")
    os.makedirs(folder, 0o700, exist_ok=True)
    options = ["--create", "--gzip", "--one-file-system", "--file", f"{path}.partial", "--directory", layout.shared]
    try:
        run(["tar", *options, "."])
    except CommandFailed as error:
        remove(f"{path}.partial")
        raise Refusal(f"its shared files cannot be kept in {folder}: {tail(error.output)}; {REMEDY}") from error
    os.chmod(f"{path}.partial", 0o600)
    os.rename(f"{path}.partial", path)
    return path
