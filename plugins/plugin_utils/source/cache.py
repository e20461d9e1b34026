# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's cache: what was fetched, unpacked or exported once. Everything in it can be removed at any time.

``git/`` holds mirrors of repositories, ``trees/`` unpacked code by commit or checksum, ``exports/`` locks as pip reads them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible import constants
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

UNUSED = 30 * 24 * 3600  # seconds after which a tree that no run has asked for is taken away


def default_cache() -> Path:
    """``emperor.flask`` in the user's cache folder, as the XDG Base Directory Specification has it: a relative path is none."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return Path(home if os.path.isabs(home) else Path.home() / ".cache", "emperor.flask")


@dataclass(frozen=True)
class Cache:
    """``folder`` outlives runs; ``run`` is of this run alone, and remembers what may be another thing in the next one."""

    folder: Path
    run: Path

    @classmethod
    def default(cls) -> Cache:
        """The user's cache. Ansible makes its local temporary folder once a run, for all hosts' processes, and removes it."""
        temporary = constants.DEFAULT_LOCAL_TMP  # type: ignore[attr-defined]  # ansible-core makes it when it is imported
        return cls(default_cache(), Path(temporary, "emperor.flask"))

    def known_tree(self, key: str) -> Path | None:
        """The folder of this key, if there is one; that it was asked for keeps it another month."""
        place = self.folder / "trees" / key
        with self._usable(), contextlib.suppress(FileNotFoundError):
            os.utime(place)
            return place
        return None

    def tree(self, key: str, fill: Callable[[Path], None]) -> Path:
        """The folder of this key; made by ``fill`` unless it is there. It appears complete or not at all."""
        if known := self.known_tree(key):
            return known
        place = self.folder / "trees" / key
        with self._usable():
            self._make(place.parent)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as scratch:
                folder = Path(scratch, "tree")
                folder.mkdir()
                fill(folder)
                os.utime(folder)
                with contextlib.suppress(FileExistsError):  # another host's process was faster
                    _rename(folder, place)
            self._prune(place.parent)
        return place

    def text(self, key: str, make: Callable[[], str]) -> str:
        """The text of this key; made unless it is there."""
        place = self.folder / "exports" / key
        with self._usable():
            if place.is_file():
                return place.read_text(encoding="utf-8")
        text = make()
        self._write(place, text)
        return text

    def remembered(self, key: str) -> str | None:
        """What this run has remembered under this key."""
        place = self.run / key
        return place.read_text(encoding="utf-8") if place.is_file() else None

    def remember(self, key: str, text: str) -> None:
        """Let all hosts of this run read ``text`` under this key."""
        self._write(self.run / key, text)

    @contextlib.contextmanager
    def claimed(self, name: str) -> Iterator[Path]:
        """Hold the folder ``git/<name>`` against other processes; the kernel frees what a process that died has held."""
        place = self.folder / "git" / name
        with self._usable():
            self._make(place)
            lock = open(place.with_name(f"{name}.lock"), "w", encoding="utf-8")  # noqa: SIM115 (closed below)
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield place

    def _write(self, place: Path, text: str) -> None:
        with self._usable():
            self._make(place.parent)
            descriptor, beside = tempfile.mkstemp(prefix=".new-", dir=place.parent)
            with open(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            os.rename(beside, place)

    def _make(self, folder: Path) -> None:
        """Code may be confidential, so nobody else reads the cache, whatever the umask."""
        top = self.run if folder.is_relative_to(self.run) else self.folder
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Refusal(
                f"the cache {self.folder} on the controller cannot be used: {error}; set XDG_CACHE_HOME to a folder of yours"
            ) from error

    def _prune(self, trees: Path) -> None:
        """Take away what no run has asked for in a month. Renamed first, so that half a tree is never taken for one."""
        for tree in trees.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - tree.stat().st_mtime > UNUSED:
                    removed = tree if tree.name.startswith(".") else tree.rename(tree.with_name(f".old-{tree.name}"))
                    shutil.rmtree(removed, ignore_errors=True)


def _rename(folder: Path, place: Path) -> None:
    """Rename a folder; one that is there is FileExistsError on every system (Linux says ENOTEMPTY)."""
    try:
        os.rename(folder, place)
    except OSError as error:
        if place.is_dir():
            raise FileExistsError(str(place)) from error
        raise
