# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A folder's files as they are shipped: which they are, their digest, and the archive that carries them to a host."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

SCHEMA = b"emperor.flask code 1\0"
LEFT_BEHIND = {".git", "__pycache__"}
# How a file begins that only stands for another, what made it so, and what brings the other back.
STAND_INS = (
    (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS", "git lfs pull"),
    (b"\0GITCRYPT\0", "git-crypt", "git-crypt unlock"),
)
# Set where git runs a hook that runs us; they would make git look at another repository.
GIT_VARIABLES = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}
# A folder may have come with a repository, whose settings name commands for git to run.
NOBODYS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit")


@dataclass(frozen=True)
class Tree:
    """Files, sorted, relative to a folder; there may be none, where the code is a package."""

    folder: Path
    files: tuple[str, ...]

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
        """Write the files to a tar.gz, whose bytes depend on the files alone. Their times are kept: web servers answer 304 by them."""
        with (
            open(path, "wb") as stream,
            gzip.GzipFile("", "wb", compresslevel=1, fileobj=stream, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for name in self.files:
                archive.add(self.folder / name, arcname=name, recursive=False, filter=_impersonal)


def files_of(folder: Path, key: str) -> tuple[str, ...]:
    """The files a folder of the user's ships: inside a git work tree those git does not ignore, elsewhere all but caches and virtual environments.

    ``key`` is what messages call the folder; raises Refusal for what cannot be shipped.
    """
    return _checked(folder, _git_files(folder, key) if _in_work_tree(folder) else _all_files(folder), key)


def files_of_unpacked(folder: Path, key: str) -> tuple[str, ...]:
    """The files of a folder in our own cache, which no git has a say in, even where the cache is inside of a work tree."""
    return _checked(folder, _all_files(folder), key)


def git_environment() -> dict[str, str]:
    """The user's environment, for a git that is told where its repository is and never asks a question."""
    return {
        **{name: value for name, value in os.environ.items() if name not in GIT_VARIABLES},
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _impersonal(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    member.mtime = int(member.mtime)
    return member


def _in_work_tree(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


def _git_files(folder: Path, key: str) -> list[str]:
    """What git tracks or would track. A git that refuses is an error: shipping what it ignores could ship secrets."""
    argv = ["git", *NOBODYS, "-C", str(folder), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(argv, capture_output=True, check=True, env=git_environment()).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"") or str(error).encode()
        raise Refusal(f"{key}: git cannot list {folder}: {os.fsdecode(reason).strip()}") from error
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


def _checked(folder: Path, names: list[str], key: str) -> tuple[str, ...]:
    files = tuple(sorted(name for name in names if os.path.lexists(folder / name)))
    if not files:
        raise Refusal(f"{key}: {folder} has no files to ship; name the one that holds the code")
    for name in files:
        _check(folder, name, key)
    return files


def _check(folder: Path, name: str, key: str) -> None:
    path = folder / name
    if path.is_symlink():
        end = Path(os.path.realpath(path))  # says nothing of a link that leads to itself, which is harmless
        if os.path.isabs(os.readlink(path)) or not end.is_relative_to(folder.resolve()):
            raise Refusal(f"{key}: the link {path} leads out of the source; replace it by the file")
    elif path.is_dir():
        raise Refusal(
            f"{key}: {path} is a git repository of its own (a submodule?), which {key} cannot ship; name it apart"
        )
    elif not path.is_file():
        raise Refusal(f"{key}: {path} is neither file nor link; remove it or let git ignore it")
    else:
        _check_content(folder, name, key)


def _check_content(folder: Path, name: str, key: str) -> None:
    with open(folder / name, "rb") as stream:
        start = stream.read(64)
    for magic, tool, command in STAND_INS:
        if start.startswith(magic):
            way = f"run '{command}' in {folder}"
            if key != "source.path":
                way = f"check it out, run '{command}', and use source.path"
            raise Refusal(f"{key}: {name} is what {tool} keeps in the place of the file; {way}")
