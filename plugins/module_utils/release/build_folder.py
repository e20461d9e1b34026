# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an app's code and packages are built: by an account that serves nothing, in a folder that it shares with nobody.

What was built becomes root's by a copy, once nothing that built it runs: no descriptor, no link and no mode of the builder's comes along.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import preflight

BYTE_CODE = "__pycache__"
DEEPEST = 100  # folders within each other
CHUNK = 2**20  # bytes that are copied at a time
# Nothing is followed, and nothing is waited for: what was a file may be a pipe by now.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = FILE | os.O_DIRECTORY


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

    Raise Refusal for what is neither file nor folder nor link, for folders in folders without end, and where the disk has no room. A link in
    the place of byte-code stays behind. Everything is opened from its folder's descriptor and no link is followed: a build can have handed
    its own descriptors to an app that runs, which exchanges one for another meanwhile.
    """
    preflight.check_disk(os.path.dirname(path), preflight.size(built))
    folder = os.open(built, FOLDER)
    try:
        _adopt(folder, path, "", DEEPEST)
    finally:
        os.close(folder)


def _adopt(folder: int, path: str, inside: str, levels: int) -> None:
    """Copy a folder, open as a descriptor, to ``path``; ``inside`` is what messages call it."""
    if not levels:
        raise Refusal(f"the build made folders in folders, {DEEPEST} deep; let it not do that")
    os.mkdir(path)
    os.chmod(path, 0o755)
    for name in os.listdir(folder):
        target, called = os.path.join(path, name), os.path.join(inside, name)
        mode = os.lstat(name, dir_fd=folder).st_mode
        if stat.S_ISLNK(mode):
            if name != BYTE_CODE:
                os.symlink(os.readlink(name, dir_fd=folder), target)
            continue
        if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
            raise Refusal(
                f"the build made {ascii(called)}, which is neither file nor folder nor link; let it not make that"
            )
        descriptor = os.open(name, FOLDER if stat.S_ISDIR(mode) else FILE, dir_fd=folder)
        try:
            if stat.S_ISDIR(mode):
                _adopt(descriptor, target, called, levels - 1)
            else:
                _copy(descriptor, target)
        finally:
            os.close(descriptor)


def _copy(descriptor: int, target: str) -> None:
    """Copy a file, as long as it was at first. Byte-code is checked against its source's time, so that stays."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise Refusal(
            f"{ascii(os.path.basename(target))} of the build is not a file any more; something changes what is built"
        )
    preflight.check_disk(os.path.dirname(target), status.st_size)
    with open(target, "xb") as out:
        left = status.st_size
        while left and (chunk := os.read(descriptor, min(left, CHUNK))):
            out.write(chunk)
            left -= len(chunk)
    os.chmod(target, 0o755 if status.st_mode & 0o100 else 0o644)
    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))


def _clear(layout: Layout) -> None:
    for name in os.listdir(layout.bench):
        remove_tree(os.path.join(layout.bench, name))
