# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks that pip on a host cannot read, as requirements with hashes: uv.lock, exported by uv, and pylock.toml (PEP 751).

Both are held against pyproject.toml first, and no code of the project runs for it: a deployment, and check mode, must not be a way on to
the controller. Environment markers stay in the lines, so that one text serves every host.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.requirement_files import refuse_repository
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import Tree

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.specifiers import SpecifierSet
    from packaging.utils import canonicalize_name

# With --locked, uv would run the project's build backend, and the Python of a .venv beside it; and a project's own settings of uv could name
# a folder to write to. The project itself is left to whoever installs the lock. A host has no use for an editable install: its code never changes.
EXPORT = [
    "export",
    "--frozen",
    "--no-config",
    "--offline",
    "--quiet",
    "--no-dev",
    "--no-emit-project",
    "--no-editable",
    "--no-header",
]
EXPORT += ["--no-annotate", "--format", "requirements.txt"]
FOLDERS = ("virtual", "editable", "directory")  # how uv.lock calls a source that is a folder of the code
REGISTRY = {"name", "specifier", "extras", "marker", "index"}  # what uv.lock says of a requirement that an index has
EXTRA = re.compile(r"\bextra\s*==")
# PEP 751's additions to markers, which pip knows in pylock.toml alone.
SELECTION = re.compile(r"(['\"])(?P<name>[^'\"]*)\1\s+(?P<no>not\s+)?in\s+(?P<kind>extras|dependency_groups)")
TRUE, FALSE = 'python_version >= "0"', 'python_version < "0"'


@dataclass(frozen=True)
class Locked:
    """``text`` is for pip with --require-hashes and --no-deps; ``folders`` are parts of the code to install after it."""

    text: str
    folders: list[str] = field(default_factory=list)


def from_uv(tree: Tree, cache: Cache) -> Locked:
    """Read uv.lock, if it matches its project. The export is cached: it is the same until the lock or a pyproject.toml changes."""
    if "pyproject.toml" not in tree.files:
        raise Refusal("uv.lock has no pyproject.toml beside it; add the project that it locks, or remove it")
    projects = [name for name in tree.files if posixpath.basename(name) == "pyproject.toml"]
    key = hashlib.sha256("\0".join(EXPORT).encode())
    for name in ["uv.lock", *projects]:
        key.update(hashlib.sha256((tree.folder / name).read_bytes()).digest())
    exported = cache.text(f"uv-{key.hexdigest()}", lambda: _export(tree.folder))
    return locked(_logical_lines(exported), "uv.lock")


def from_pylock(tree: Tree, name: str) -> Locked:
    """Read a pylock.toml, if it has what pyproject.toml asks for."""
    lock = read_toml(tree.folder / name, name)
    if not str(lock.get("lock-version", "")).startswith("1."):
        raise Refusal(
            f"{name} has lock-version {lock.get('lock-version')!r}, but 1.x is known; lock it anew, or use uv.lock"
        )
    packages = lock.get("packages", [])
    pins: dict[str, list[str]] = {}
    for package in packages:
        pins.setdefault(canonicalize_name(package["name"]), []).append(package.get("version", ""))
    if "pyproject.toml" in tree.files:
        _check(tree.folder, pins, name)
    lines = [_pylock_line(package, lock.get("default-groups", []), name) for package in packages]
    return locked(lines, name)


def read_toml(path: Path, name: str) -> dict[str, Any]:
    """A TOML file's content; raises Refusal naming what is wrong with it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"{name} cannot be read: {error}; correct it") from error


def _export(folder: Path) -> str:
    """What uv makes of its lock, which has been held against its project."""
    lock = read_toml(folder / "uv.lock", "uv.lock")
    try:
        _check_uv(folder, lock.get("package", []))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f"uv.lock is not a lock that is understood here ({error!r}); lock the project anew") from error
    try:
        return _uv(folder)
    except CommandFailed as error:
        raise Refusal(f"uv.lock cannot be exported by uv on the controller:\n{tail(error.output)}") from error


def _check_uv(folder: Path, packages: list[dict[str, Any]]) -> None:
    """Refuse a lock that was made for other requirements than the project and its parts have now: it repeats what it was made for.

    Requirements that only a build can tell ("dynamic") are not compared.
    """
    locked = {package["source"][kind]: package for package in packages for kind in FOLDERS if kind in package["source"]}
    if "project" in read_toml(folder / "pyproject.toml", "pyproject.toml") and "." not in locked:
        raise Refusal("uv.lock does not match its project: it is that of another one; lock the project anew")
    for part, package in locked.items():
        name = posixpath.normpath(posixpath.join(part, "pyproject.toml"))
        if posixpath.isabs(name) or name.startswith("..") or not (folder / name).is_file():
            continue
        text = read_toml(folder / name, name)
        metadata, project = package.get("metadata", {}), text.get("project", {})
        if canonicalize_name(project.get("name", "")) != package["name"]:
            raise Refusal(
                f"uv.lock does not match its project: it has no '{project.get('name')}'; lock the project anew"
            )
        if "dependencies" not in project.get("dynamic", []):
            made_for = [one for one in metadata.get("requires-dist", []) if not EXTRA.search(one.get("marker", ""))]
            _compare(project.get("dependencies", []), made_for, name)
        if part == ".":
            _compare_groups(text, metadata.get("requires-dev", {}), name)


def _compare_groups(text: dict[str, Any], made_for: dict[str, Any], name: str) -> None:
    """Compare the groups that are installed where none is asked for, but for ``dev``."""
    groups: dict[str, Any] = {
        canonicalize_name(group): members for group, members in text.get("dependency-groups", {}).items()
    }
    chosen = text.get("tool", {}).get("uv", {}).get("default-groups", [])
    for group in groups if chosen == "all" else map(canonicalize_name, chosen):
        if group != "dev":
            _compare([*_members(groups, group)], made_for.get(group, []), name)


def _members(groups: dict[str, Any], group: str, within: tuple[str, ...] = ()) -> Iterator[str]:
    """A dependency group's requirements, with those of the groups that it includes (PEP 735)."""
    for member in groups.get(group, []) if group not in within else []:
        if isinstance(member, dict):
            yield from _members(groups, canonicalize_name(member["include-group"]), (*within, group))
        else:
            yield member


def _compare(required: list[str], made_for: list[dict[str, Any]], name: str) -> None:
    """Refuse a lock that was not made for exactly these requirements of a pyproject.toml."""
    left = list(made_for)
    for text in required:
        wanted = _requirement(text, name)
        same = [one for one in left if _is_same(one, wanted)]
        if not same:
            raise Refusal(
                f"uv.lock does not match its project: it was not made for '{text}' of {name}; lock the project anew"
            )
        left.remove(same[0])
    if left:
        raise Refusal(
            f"uv.lock does not match its project: it was made for {left[0]['name']}, which {name} does not require so; lock the project anew"
        )


def _is_same(made_for: dict[str, Any], wanted: Requirement) -> bool:
    """Compare all but the marker, which uv writes in words of its own. What [tool.uv.sources] leads elsewhere has no specifier there."""
    if made_for["name"] != canonicalize_name(wanted.name):
        return False
    if {*map(canonicalize_name, made_for.get("extras", []))} != {*map(canonicalize_name, wanted.extras)}:
        return False
    return bool(made_for.keys() - REGISTRY) or SpecifierSet(made_for.get("specifier", "")) == wanted.specifier


def _uv(folder: Path) -> str:
    binary = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if not binary:
        raise Refusal(
            "uv.lock is read by uv, which is not on the controller; install it there (pip install uv), or lock to pylock.toml"
        )
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
        file = Path(scratch, "requirements.txt")
        run([binary, *EXPORT, "--output-file", str(file)], cwd=str(folder), env=environment)
        return file.read_text(encoding="utf-8")


def _check(folder: Path, pins: dict[str, list[str]], lock: str) -> None:
    """Refuse a lock without something that pyproject.toml requires everywhere. A requirement with a marker may rightly be missing."""
    for text in read_toml(folder / "pyproject.toml", "pyproject.toml").get("project", {}).get("dependencies", []):
        wanted = _requirement(text, "pyproject.toml")
        versions = pins.get(canonicalize_name(wanted.name))
        if wanted.marker or any(not one or wanted.specifier.contains(one, prereleases=True) for one in versions or []):
            continue
        found = f"has {wanted.name} {', '.join(versions)}" if versions else f"has no {wanted.name}"
        raise Refusal(
            f"{lock} does not match pyproject.toml, which requires '{text}': it {found}; lock the project anew"
        )


def _requirement(text: str, name: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise Refusal(f"{name} requires '{text}', which is not a requirement: {error}; correct it") from error


def _logical_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _pylock_line(package: dict[str, Any], groups: list[str], lock: str) -> str:
    name, version = package["name"], package.get("version")
    archive = package.get("archive", {})
    if "directory" in package:
        return str(package["directory"]["path"])
    if "vcs" in package:
        return f"{name} @ {package['vcs'].get('type')}+{package['vcs'].get('url', '')}"
    artifacts = [archive] if archive else [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    hashes = [one["hashes"]["sha256"] for one in artifacts if "sha256" in one.get("hashes", {})]
    if "path" in archive:
        what = f"./{archive['path']}"
    elif archive:
        what = f"{name} @ {archive['url']}"
    elif version:
        what = f"{name}=={version}"
    else:
        raise Refusal(f"{lock} has '{name}' without version, which pip on a host cannot install; lock it anew")
    marker = f" ; {_selected(package['marker'], groups)}" if package.get("marker") else ""
    return " ".join([what + marker, *(f"--hash=sha256:{one}" for one in hashes)])


def _selected(marker: str, groups: list[str]) -> str:
    """A marker in which the question for extras and groups is answered: no extras, the default groups."""

    def answer(found: re.Match[str]) -> str:
        chosen = found["kind"] == "dependency_groups" and found["name"] in groups
        return TRUE if chosen != bool(found["no"]) else FALSE

    return SELECTION.sub(answer, marker)


def locked(lines: Iterable[str], lock: str) -> Locked:
    """Lines in an order of ours, so that another version of uv makes no other virtual environment, and the folders apart."""
    pinned, folders = [], []
    for line in lines:
        words = line.split()
        hashes = sorted(word for word in words if word.startswith("--hash="))
        what = " ".join(word for word in words if not word.startswith("--hash=")).removeprefix("-e ")
        refuse_repository(lock, what)
        if hashes:
            pinned.append(" ".join([what, *hashes]))
        elif "://" in what or " @ " in what or "==" in what:
            raise Refusal(
                f"{lock} has '{what}' without a hash, which pip cannot verify; lock a release of it that an index has"
            )
        else:
            folder = what.partition(";")[0].strip()
            if posixpath.isabs(folder) or posixpath.normpath(folder).startswith(".."):
                raise Refusal(
                    f"{lock} has the folder '{folder}', which is outside of the source; move it in or lock a release of it"
                )
            folders.append("./" + posixpath.normpath(folder) if folder != "." else ".")
    return Locked("".join(f"{line}\n" for line in sorted(pinned)), sorted(folders))
