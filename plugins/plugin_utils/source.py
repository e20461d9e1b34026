# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's code on the controller: which files it has, their digest, and the archive that carries them to a host."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal

SCHEMA = b"emperor.flask code 1\0"
LEFT_BEHIND = {".git", "__pycache__"}


@dataclass(frozen=True)
class Source:
    """A folder's files, sorted, relative to it. Raises Refusal for what cannot be shipped."""

    folder: Path
    files: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path) -> Source:
        """List the files of a folder: inside a git work tree those git does not ignore, elsewhere all but caches and virtual environments."""
        names = _git_files(folder) if _in_work_tree(folder) else _all_files(folder)
        files = sorted(name for name in names if os.path.lexists(folder / name))
        if not files:
            raise Refusal(f"source.path: {folder} has no files to ship; name the folder that holds the code")
        for name in files:
            _check(folder, name)
        return cls(folder, tuple(files))

    def digest(self) -> str:
        """SHA-256 over names, kinds, executable bits and contents: the same on every machine, whenever the files were written."""
        total = hashlib.sha256(SCHEMA)
        for name in self.files:
            path = self.folder / name
            if path.is_symlink():
                kind, content = "link", os.fsencode(os.readlink(path))
            else:
                kind, content = "exec" if os.access(path, os.X_OK) else "file", path.read_bytes()
            total.update(f"{kind} {len(content)} ".encode() + os.fsencode(name) + b"\0" + content)
        return total.hexdigest()

    def archive(self, path: Path) -> None:
        """Write the files to a tar archive. Times are kept: web servers answer 304 by them."""
        with tarfile.open(path, "w:gz", compresslevel=1) as archive:
            for name in self.files:
                archive.add(self.folder / name, arcname=name, recursive=False)


def _in_work_tree(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


def _git_files(folder: Path) -> list[str]:
    """What git tracks or would track. A git that refuses is an error: shipping what it ignores could ship secrets."""
    argv = ["git", "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(argv, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"") or str(error).encode()
        raise Refusal(f"source.path: git cannot list {folder}: {os.fsdecode(reason).strip()}") from error
    names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    return [name for name in names if not LEFT_BEHIND & set(Path(name).parts)]


def _all_files(folder: Path) -> list[str]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in LEFT_BEHIND and not os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
        ]
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        found += [os.path.relpath(os.path.join(parent, name), folder) for name in [*files, *links]]
    return found


def _check(folder: Path, name: str) -> None:
    path = folder / name
    if path.is_symlink():
        if os.path.isabs(os.readlink(path)) or not path.resolve().is_relative_to(folder):
            raise Refusal(f"source.path: the link {path} leads out of the source; replace it by the file")
    elif path.is_dir():
        raise Refusal(
            f"source.path: {path} is a git repository of its own (a submodule?), which source.path cannot ship; name it apart"
        )
    elif not path.is_file():
        raise Refusal(f"source.path: {path} is neither file nor link; remove it or let git ignore it")
