# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unpack tar and zip archives that others made: plain files, folders and links within, and nothing anywhere else.

Python's own ``filter="data"`` is not in every Python that can be a controller, knows no zip, and takes hard links.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import IO, cast

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal


@dataclass(frozen=True)
class Member:
    """One entry: a file that ``read`` opens, a link to ``target``, or (neither) a folder. ``mtime`` in seconds."""

    name: str
    read: Callable[[], IO[bytes]] | None = None
    target: str | None = None
    executable: bool = False
    mtime: float = 0


def unpack(archive: Path, folder: Path, label: str, strip: bool = False) -> None:
    """Write the members of an archive to an empty folder, or raise Refusal naming the one that cannot be.

    ``strip`` leaves a single top-level folder away, as the archives of GitHub and of source distributions have it.
    ``label`` is what messages call the archive. Links are made last, so that nothing is written through one.
    """
    try:
        with _members(archive, label) as members:
            for member in members:
                _check(member, label)
            top = _single_folder(members) if strip else None
            for member in sorted(members, key=lambda member: member.target is not None):
                name = posixpath.relpath(posixpath.normpath(member.name), top or ".")
                if name != ".":
                    _write(member, folder / name)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise Refusal(f"{label} cannot be unpacked: {error}") from error


@contextmanager
def _members(archive: Path, label: str) -> Iterator[list[Member]]:
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            yield [_from_tar(tar, entry, label) for entry in tar]
    elif zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            yield [_from_zip(packed, entry, label) for entry in packed.infolist()]
    else:
        raise Refusal(f"{label} is neither a tar archive nor a zip; pack the code as .tar.gz")


def _from_tar(tar: tarfile.TarFile, entry: tarfile.TarInfo, label: str) -> Member:
    if entry.isdir():
        return Member(entry.name)
    if entry.issym():
        return Member(entry.name, target=entry.linkname)
    if not entry.isreg():
        kind = "hard link" if entry.islnk() else "device or pipe"
        raise Refusal(f"{label}: its member '{entry.name}' is a {kind}; pack files, folders and symbolic links alone")
    return Member(
        entry.name, lambda: cast("IO[bytes]", tar.extractfile(entry)), None, bool(entry.mode & 0o100), entry.mtime
    )


def _from_zip(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, label: str) -> Member:
    """A zip made on Unix has the file's mode in the upper half of its external attributes; its times have no zone."""
    mode = entry.external_attr >> 16
    if entry.is_dir():
        return Member(entry.filename)
    if stat.S_ISLNK(mode):
        return Member(entry.filename, target=os.fsdecode(packed.read(entry)))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Refusal(
            f"{label}: its member '{entry.filename}' is a device or pipe; pack files, folders and links alone"
        )
    written = datetime(*entry.date_time, tzinfo=timezone.utc).timestamp()
    return Member(entry.filename, lambda: packed.open(entry), None, bool(mode & 0o100), written)


def _check(member: Member, label: str) -> None:
    """Refuse what would leave the folder. Where a link leads through other links is found out when the files are listed."""
    if _leads_out(member.name):
        raise Refusal(f"{label}: its member '{member.name}' leads out of the archive; pack it anew with relative names")
    if member.target is not None and _leads_out(posixpath.join(posixpath.dirname(member.name), member.target)):
        raise Refusal(
            f"{label}: its member '{member.name}' is a link to '{member.target}', out of the archive; replace it by the file"
        )


def _leads_out(name: str) -> bool:
    return posixpath.isabs(name) or posixpath.normpath(name).split("/")[0] == ".." or "\\" in name


def _single_folder(members: list[Member]) -> str | None:
    """The folder that everything is in, or None."""
    paths = [PurePosixPath(posixpath.normpath(member.name)) for member in members]
    tops = {path.parts[0] for path in paths if path.parts}
    if len(tops) != 1 or any(len(path.parts) == 1 and _is_leaf(member) for path, member in zip(paths, members)):
        return None
    return tops.pop()


def _is_leaf(member: Member) -> bool:
    return member.read is not None or member.target is not None


def _write(member: Member, path: Path) -> None:
    if member.target is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(member.target)
        return
    if member.read is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.read() as packed, open(path, "wb") as stream:
        shutil.copyfileobj(packed, stream)
    path.chmod(0o755 if member.executable else 0o644)
    os.utime(path, (member.mtime, member.mtime))
