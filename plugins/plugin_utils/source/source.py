# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where an app's code comes from. Whatever the source, the controller ends up with files, their digest, and their origin."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.plugin_utils.source import archive, git
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.missing import missing
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import (
    Tree,
    files_of,
    files_of_unpacked,
)

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

KINDS = ("path", "git", "archive", "package")
BELONGS_TO = {"version": "git", "checksum": "archive"}
PACKAGE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*(?:\[[\w., -]+\])?)\s*==\s*(?P<version>[A-Za-z0-9][\w.!+-]*)", re.ASCII
)
PACKAGE_FILES = (".whl", ".tar.gz", ".zip")

Entry = dict[str, Any]  # an app's ``source``, as the inventory has it


@dataclass(frozen=True)
class Source(Tree):
    """An app's files. ``origin`` says for people where they are from; ``package`` is what pip installs in the place of code."""

    origin: dict[str, str] = field(default_factory=dict)
    package: str | None = None

    def __str__(self) -> str:
        """Such as ``git https://git.example.com/shop.git, version v1.4.2, commit 0123…``."""
        return ", ".join(f"{key} {value}" for key, value in self.origin.items())


def mistakes(source: Entry, version: str | None = None) -> Iterator[str]:
    """What is wrong with the form of a source, and of the ``version`` that is to replace its own, without looking at what they name."""
    given = [kind for kind in KINDS if source.get(kind) is not None]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "names no code"
        yield f"source {found}; give it exactly one of {', '.join(KINDS)}"
        return
    (kind,) = given
    for key, owner in BELONGS_TO.items():
        if source.get(key) is not None and kind != owner:
            yield f"source.{key} belongs to source.{owner}, but the source is source.{kind}; remove it"
    if not source[kind].strip():
        thing = {"path": "folder that holds the code", "git": "repository"}.get(kind, kind)
        yield f"source.{kind} is empty; name the {thing}"
    elif version is not None and not _has_versions(source):
        yield (
            f"version '{version}' was asked for, but source.{kind} is '{git.public(source[kind])}', which has no versions; "
            "source.git and source.package with '==' have them, so run without it"
        )
    elif kind in FORMS:
        yield from FORMS[kind](with_version(source, version))


def with_version(source: Entry, version: str | None) -> Entry:
    """The source, with another version where one is given: ``-e version=REF`` when the playbook deploy is run."""
    if version is None:
        return source
    if source.get("git") is not None:
        return {**source, "version": version}
    return {**source, "package": f"{source['package'].partition('==')[0].strip()}=={version}"}


def located(source: Entry, base: Path) -> Entry:
    """The source with a path that is absolute, from ``base`` where it is relative; URLs and packages of an index stay."""
    for kind in KINDS:
        value = source.get(kind)
        if value is not None and not _is_elsewhere(kind, value):
            return {**source, kind: str((base / value).resolve())}
    return source


def public(source: Entry) -> Entry:
    """The source as output may show it, without the password that a URL may have."""
    return {key: git.public(value) if isinstance(value, str) else value for key, value in source.items()}


def resolve(source: Entry, cache: Cache | None = None) -> Source:
    """Get the code of a located source on to the controller; raises Refusal for what cannot be had or shipped."""
    cache = cache or Cache.default()
    _check_exists(source)
    if source.get("git") is not None:
        commit, folder = git.checkout(source["git"], source.get("version"), cache)
        version = {"version": source["version"]} if source.get("version") else {}
        origin = {"git": git.public(source["git"]), **version, "commit": commit}
        return Source(folder, files_of_unpacked(folder, "source.git"), origin)
    if source.get("archive") is not None:
        checksum, folder = archive.unpacked(source["archive"], source.get("checksum"), cache)
        origin = {"archive": git.public(source["archive"]), "checksum": f"sha256:{checksum}"}
        return Source(folder, files_of_unpacked(folder, "source.archive"), origin)
    if source.get("package") is not None:
        return _package(source["package"])
    folder = Path(source["path"])
    return Source(folder, files_of(folder, "source.path"), {"path": source["path"]})


def _package(package: str) -> Source:
    """A file travels as the code would, and pip installs it from there; what an index has is not code at all."""
    if not _is_package_file(package):
        wanted = cast("re.Match[str]", PACKAGE.fullmatch(package))
        name = f"{wanted['name']}=={wanted['version']}"
        return Source(Path("/"), (), {"package": name}, name)
    file = Path(package)
    origin = {"package": package, "checksum": f"sha256:{sha256(file)}"}
    return Source(file.parent, (file.name,), origin, f"./{file.name}")


def _check_exists(source: Entry) -> None:
    for kind in KINDS:
        value = source.get(kind)
        if value is None or _is_elsewhere(kind, value):
            continue
        exists = Path(value).is_dir() if kind == "path" else Path(value).exists()
        if not exists:
            thing = {"path": "folder", "git": "repository"}.get(kind, "file")
            raise Refusal(f"source.{kind}: {missing(value, thing)}")


def _has_versions(source: Entry) -> bool:
    return source.get("git") is not None or bool(PACKAGE.fullmatch(source.get("package") or ""))


def _is_elsewhere(kind: str, value: str) -> bool:
    """Tell what is not on the controller."""
    if kind == "git":
        return git.is_url(value)
    if kind == "archive":
        return archive.is_url(value)
    return kind == "package" and not _is_package_file(value)


def _is_package_file(package: str) -> bool:
    return package.endswith(PACKAGE_FILES)


def _git_mistakes(source: Entry) -> Iterator[str]:
    version = source.get("version")
    if source["git"].startswith("-"):
        yield f"source.git '{source['git']}' starts with '-'; write a URL or a path"
    if version is not None and (not version.strip() or version.startswith("-")):
        yield f"source.version '{version}' is not a branch, tag or commit; name one, or leave it out for the default branch"


def _archive_mistakes(source: Entry) -> Iterator[str]:
    location, checksum = source["archive"], source.get("checksum")
    if "://" in location and not archive.is_url(location):
        yield f"source.archive '{git.public(location)}' is not an http or https URL; write one, or a file on the controller"
    elif checksum is None and archive.is_url(location):
        yield (
            f"source.archive '{git.public(location)}' is a URL, so it needs source.checksum 'sha256:...'; "
            "sha256sum prints it for a file that you have looked at"
        )
    if checksum is not None and not archive.CHECKSUM.fullmatch(checksum):
        yield f"source.checksum '{checksum}' must be 'sha256:' and 64 hexadecimal digits in small letters"


def _package_mistakes(source: Entry) -> Iterator[str]:
    package = source["package"]
    if _is_package_file(package):
        if package.endswith(".whl"):
            try:
                parse_wheel_filename(Path(package).name)
            except InvalidWheelFilename:
                yield f"source.package '{package}' is not named like a wheel; give it back the name that it was built with"
    elif not PACKAGE.fullmatch(package):
        yield f"source.package '{package}' must be 'name==version', or a wheel or source distribution on the controller"


FORMS = {"git": _git_mistakes, "archive": _archive_mistakes, "package": _package_mistakes}
