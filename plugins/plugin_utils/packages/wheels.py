# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's cache of wheels: uWSGI's, one for each version, source and kind of host, and archives of all that an app needs.

``<folder>/pyuwsgi/<version>-<source>/<kind>/`` holds the wheel, ``manifest.json`` and the lock under which one host builds it; so does
``<folder>/wheels/<app>/<packages>/<kind>/``, for no app is given what the builds of another have made.
Everything in it can be removed at any time; the next host that needs a wheel builds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256

SCHEMA = 1
MANIFEST = "manifest.json"
LOCK = "lock"
MONTH = 30 * 24 * 3600  # seconds
# What hosts say ends up in paths and in other hosts' package manager, so it may be nothing but a plain name.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")


@dataclass(frozen=True)
class Wheel:
    """A wheel in the cache, with what a host needs to run it; ``built_on`` is for people."""

    file: str
    sha256: str
    packages: list[str] = field(default_factory=list)
    built_on: str = ""

    def __post_init__(self) -> None:
        _refuse_unless(NAME, self.file)
        for package in self.packages:
            _refuse_unless(PACKAGE, package)


@dataclass(frozen=True)
class Slot:
    """The place of one kind's wheel."""

    folder: Path

    @contextlib.contextmanager
    def claimed(self, host: str, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the place for a host; while another one does, wait, after telling ``waiting`` its name.

        The kernel frees the lock of a process that died, so no claim outlives its run.
        """
        with _writable(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open(self.folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115 (closed below)
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                waiting(lock.read() or "another host")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(host)
            lock.flush()
            yield

    def read(self) -> Wheel | None:
        """The wheel, if there is one and it is what the manifest says; raise Refusal if it is not."""
        try:
            data = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            wheel = Wheel(data["file"], data["sha256"], data["packages"], data["built_on"])
            actual = sha256(str(self.path(wheel)))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(f"{self.folder / MANIFEST} is not a manifest of a wheel ({error})") from error
        if actual != wheel.sha256:
            raise Refusal(f"{self.path(wheel)} has the SHA-256 {actual}, not {wheel.sha256}")
        return wheel

    def usable(self, warn: Callable[[str], None]) -> Wheel | None:
        """The wheel; one that is not what it should be is never shipped, but built anew, which ``warn`` is told."""
        try:
            return self.read()
        except Refusal as refusal:
            warn(f"{refusal}: it is not used, but built anew")
            return None

    def path(self, wheel: Wheel) -> Path:
        """Where a wheel is kept."""
        return self.folder / wheel.file

    def keep(self, wheel: Wheel, fetch: Callable[[str], Any]) -> None:
        """Let ``fetch`` write the wheel to the path it is given, and keep it if it is what the host says it sent.

        The manifest comes last: what a run that died leaves is not a wheel.
        """
        beside = self.folder / f"{wheel.file}.partial"
        with _writable(self.folder):
            (self.folder / MANIFEST).unlink(missing_ok=True)
            try:
                fetch(str(beside))
                if sha256(str(beside)) != wheel.sha256:
                    raise Refusal(f"{wheel.file} arrived damaged on the controller; run again")
                beside.rename(self.path(wheel))
            finally:
                beside.unlink(missing_ok=True)
            text = json.dumps({"schema": SCHEMA, **asdict(wheel)}, indent=2) + "\n"
            manifest = self.folder / f"{MANIFEST}.partial"
            manifest.write_text(text, encoding="utf-8")
            manifest.rename(self.folder / MANIFEST)


def slot(cache: Path, version: str, checksum: str, kind: str) -> Slot:
    """The place for the wheel of this version, made of this source distribution, on this kind of host."""
    for name in (version, checksum, kind):
        _refuse_unless(NAME, name)
    return Slot(cache / "pyuwsgi" / f"{version}-{checksum[:12]}" / kind)


def slot_of_app(cache: Path, app: str, packages: str, kind: str) -> Slot:
    """The place for the wheels of an app whose virtual environment has this digest. Those that were not used for a month go."""
    for name in (app, packages, kind):
        _refuse_unless(NAME, name)
    place = Slot(cache / "wheels" / app / packages / kind)
    with _writable(place.folder):
        place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(place.folder)
        for other in place.folder.parent.parent.glob("*/*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - other.stat().st_mtime > MONTH:
                    shutil.rmtree(other, ignore_errors=True)
    return place


def _refuse_unless(pattern: re.Pattern[str], text: Any) -> None:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise Refusal(f"{text!r} is not a name that the cache of wheels can have")


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Refusal(
            f"wheels cannot be kept in {folder}: {error.strerror or error}; set uwsgi_emperor_cache (of uWSGI's) or XDG_CACHE_HOME to a folder of yours"
        ) from error
