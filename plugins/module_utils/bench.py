# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an app's code and packages are built: by an account that serves nothing, in a folder that it shares with nobody.

What was built becomes root's by a copy, once nothing that built it runs: no descriptor, no link and no mode of the builder's comes along.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils import room
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.files import Access, remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout

BYTE_CODE = "__pycache__"


@contextlib.contextmanager
def bench(layout: Layout, *folders: str) -> Iterator[list[str]]:
    """Empty folders of the builder's within one of root's, by their paths; they are taken away in the end."""
    paths = [os.path.join(layout.bench, folder) for folder in folders]
    _clear(layout)
    try:
        for path in paths:
            os.mkdir(path, 0o700)
            Access(0o700, layout.builder, layout.builder).apply(path)
        yield paths
    finally:
        _clear(layout)


def adopt(built: str, path: str) -> None:
    """Copy what was built to ``path``, as root's own: readable by all who pass the folder above it, executable where it was.

    Raise Refusal for what is neither file nor folder nor link, and where the disk has no room for it. A link in the place of byte-code
    stays behind.
    """
    room.check_disk(os.path.dirname(path), room.size(built))
    os.mkdir(path, 0o755)
    for parent, folders, files in os.walk(built, onerror=_fail):
        inside = os.path.normpath(os.path.join(path, os.path.relpath(parent, built)))
        for name in [*folders, *files]:
            source, target = os.path.join(parent, name), os.path.join(inside, name)
            status = os.lstat(source)
            if stat.S_ISLNK(status.st_mode):
                if name != BYTE_CODE:
                    os.symlink(os.readlink(source), target)
            elif stat.S_ISDIR(status.st_mode):
                os.mkdir(target)
                os.chmod(target, 0o755)
            elif stat.S_ISREG(status.st_mode):
                _copy(source, target, status)
            else:
                raise Refusal(
                    f"the build made '{os.path.relpath(source, built)}', which is neither file nor folder nor link; let it not make that"
                )
    os.chmod(path, 0o755)


def _fail(error: OSError) -> None:
    raise error


def _copy(source: str, target: str, status: os.stat_result) -> None:
    """Byte-code is checked against its source's time, so that stays."""
    shutil.copyfile(source, target, follow_symlinks=False)
    os.chmod(target, 0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _clear(layout: Layout) -> None:
    for name in os.listdir(layout.bench):
        remove_tree(os.path.join(layout.bench, name))
