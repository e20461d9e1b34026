# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files, links and folders that are either as before or as asked for, never in between."""

from __future__ import annotations

import contextlib
import grp
import itertools
import os
import pwd
import re
import stat
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import run

ACTIVATION = r"([0-9a-f]{1,64})\.(0|[1-9][0-9]{0,8})"  # a release and a number, as vassals, their sockets and their inis are named
SOCKET = re.compile(rf"{ACTIVATION}\.sock")
MOST_NAMES = 1000  # that are read in a folder which an app can fill
NEW, OLD = ".emperor-new", ".emperor-old"  # beside a file, on its way in and out; no program's pattern matches them


@dataclass(frozen=True)
class Access:
    """Owner, group and permission bits; names are looked up when they are applied."""

    mode: int
    owner: str = "root"
    group: str = "root"

    def apply(self, path: str) -> None:
        """Give ``path`` this owner, group and mode. The mode comes last: chown clears set-group-ID."""
        os.chown(path, pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid, follow_symlinks=False)
        os.chmod(path, self.mode)

    def differs(self, path: str) -> bool:
        """Tell whether ``path`` has another owner, group or mode; an account that does not exist yet owns nothing."""
        status = os.lstat(path)
        try:
            wanted = (pwd.getpwnam(self.owner).pw_uid, grp.getgrnam(self.group).gr_gid, self.mode)
        except KeyError:
            return True
        return (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != wanted


@dataclass(frozen=True)
class Snapshot:
    """What stands at a path: a file's bytes and mode, or a link's target, or nothing."""

    content: bytes | None = None
    link: str | None = None
    mode: int = 0

    @property
    def text(self) -> str:
        """The bytes as UTF-8; empty where there is no file."""
        return (self.content or b"").decode()

    @classmethod
    def take(cls, path: str) -> Snapshot:
        """Read ``path``."""
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            return cls()
        if stat.S_ISLNK(status.st_mode):
            return cls(link=os.readlink(path))
        with open(path, "rb") as stream:
            return cls(stream.read(), None, stat.S_IMODE(status.st_mode))


def stage(path: str, content: bytes, access: Access) -> None:
    """Write beside ``path`` what ``put_staged`` puts in its place, and flush it to disk."""
    beside = path + NEW
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        access.apply(beside)
    except BaseException:
        remove(beside)
        raise


def put_staged(path: str) -> None:
    """Put what was staged in the place of ``path`` by rename(2): readers see the old file or the new one."""
    os.rename(path + NEW, path)


def replace_file(path: str, content: bytes, access: Access) -> None:
    """Make ``path`` a file of this content."""
    stage(path, content, access)
    try:
        put_staged(path)
    except BaseException:
        remove(path + NEW)
        raise


def ensure_file(path: str, content: bytes, access: Access) -> bool:
    """Make ``path`` a file of this content unless it is one; tell whether that was needed."""
    needed = Snapshot.take(path).content != content
    if needed:
        replace_file(path, content, access)
    return needed


def half_written(folder: str, prefixes: tuple[str, ...] = ("",)) -> list[str]:
    """The paths of what was staged in a folder, for names that begin so: nobody put it in its place yet, or the process that meant to has died."""
    names = [name for name in names_in(folder) if name.startswith(prefixes)]
    return [os.path.join(folder, name) for name in names if name.endswith(NEW)]


def keep(path: str) -> None:
    """Give what stands at ``path`` a second name, so that ``put_back`` needs no space on the disk."""
    remove(path + OLD)
    with contextlib.suppress(FileNotFoundError):
        os.link(path, path + OLD, follow_symlinks=False)


def put_back(path: str) -> None:
    """Make ``path`` what it was when it was kept: that file or link, or nothing."""
    try:
        os.rename(path + OLD, path)
    except FileNotFoundError:
        remove(path)


def forget(path: str) -> None:
    """Remove what was staged or kept beside ``path``."""
    remove(path + NEW)
    remove(path + OLD)


def replace_link(path: str, target: str) -> None:
    """Make ``path`` a symbolic link to ``target`` by rename(2)."""
    beside = path + NEW
    remove(beside)
    os.symlink(target, beside)
    os.rename(beside, path)


def link_target(path: str) -> str | None:
    """Where a symbolic link points, or None where there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def names_in(folder: str) -> list[str]:
    """The sorted names in a folder; none where there is no folder."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def remove(path: str) -> None:
    """Remove a file or link that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def remove_tree(path: str) -> None:
    """Remove a file or folder and all in it, however deep; nothing if it is gone already. Another account may have made it.

    rm(1) holds few files open and has no limit of depth, and no link leads it away (fts(3)).
    """
    run(["rm", "-rf", "--one-file-system", "--", path])


def give_sockets(folder: str, group: str) -> None:
    """Give the vassals' sockets in an app's folder to a group, unless the folder has that group, and so what is made there.

    The folder is somebody else's: of no more than MOST_NAMES names those of a socket are looked at, what is opened is what is
    changed, and no link is followed.
    """
    gid = grp.getgrnam(group).gr_gid
    if os.stat(folder).st_gid == gid:
        return
    with os.scandir(folder) as entries:
        names = [entry.name for entry in itertools.islice(entries, MOST_NAMES) if SOCKET.fullmatch(entry.name)]
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(os.path.join(folder, name), os.O_PATH | os.O_NOFOLLOW)
            try:
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.chown(f"/proc/self/fd/{descriptor}", -1, gid)
            finally:
                os.close(descriptor)


def ensure_directory(path: str, access: Access) -> bool:
    """Make ``path`` a folder with this owner and mode; tell whether anything changed."""
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)
    elif not access.differs(path):
        return False
    access.apply(path)
    return True
