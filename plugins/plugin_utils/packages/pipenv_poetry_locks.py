# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The locks of Pipenv and Poetry, as requirements with hashes. Neither tool is needed for it.

Each repeats a hash of what it was made for, which is held against the project first, as ``pipenv verify`` and ``poetry check --lock`` do.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.lock_files import Locked, locked, read_toml
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import Tree

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from packaging.version import Version

PIPFILE, PIPENV, POETRY, PYPROJECT = "Pipfile", "Pipfile.lock", "poetry.lock", "pyproject.toml"
REPOSITORIES = ("git", "hg", "svn", "bzr")
PIPFILE_SPEC = 6  # the only one that Pipenv has had since 2017
NOT_PACKAGES = {"source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop"}
# From this one on, a package says for itself which groups it is for, and on which hosts; what was written before (Poetry 1) needs a resolver.
FIRST_FORMAT, NEXT_FORMAT = "2.1", "3"
EXPORT = "run 'poetry export --output requirements.txt' and say requirements: [requirements.txt]"
OF_THE_PROJECT = ("requires-python", "dependencies", "optional-dependencies")  # what Poetry's hash has of [project]
OLDER_KEYS = (
    "dependencies",
    "source",
    "extras",
    "dev-dependencies",
)  # and of [tool.poetry]; null where they are not there


def from_pipenv(tree: Tree) -> Locked:
    """Read Pipfile.lock, if it was made for the Pipfile beside it; raises Refusal otherwise."""
    _require_beside(tree, PIPENV, PIPFILE)
    try:
        lock = json.loads((tree.folder / PIPENV).read_bytes())
    except ValueError as error:
        raise Refusal(f"{PIPENV} cannot be read: {error}; run 'pipenv lock'") from error
    pipfile = read_toml(tree.folder / PIPFILE, PIPFILE)

    def lines() -> Locked:
        meta = lock["_meta"]
        if meta["pipfile-spec"] != PIPFILE_SPEC:
            raise Refusal(
                f"{PIPENV} has pipfile-spec {meta['pipfile-spec']}, but {PIPFILE_SPEC} is known; run "
                "'pipenv requirements --hash > requirements.txt' and say requirements: [requirements.txt]"
            )
        if meta["hash"]["sha256"] != _pipfile_hash(pipfile, meta["sources"]):
            raise Refusal(f"{PIPENV} does not match {PIPFILE}; run 'pipenv lock'")
        return _with_unpinned(lock["default"])

    return _understood(PIPENV, lines)


def from_poetry(tree: Tree) -> Locked:
    """Read poetry.lock, if it was made for the pyproject.toml beside it; raises Refusal otherwise. Of its groups, ``main`` is taken, and no extra."""
    _require_beside(tree, POETRY, PYPROJECT)
    lock = read_toml(tree.folder / POETRY, POETRY)
    project = read_toml(tree.folder / PYPROJECT, PYPROJECT)

    def lines() -> Locked:
        metadata = lock["metadata"]
        if not Version(FIRST_FORMAT) <= Version(metadata["lock-version"]) < Version(NEXT_FORMAT):
            raise Refusal(
                f"{POETRY} has lock-version {metadata['lock-version']}, but {FIRST_FORMAT} is known; run 'poetry lock' with Poetry 2, "
                f"which keeps the versions, or {EXPORT}"
            )
        if metadata["content-hash"] not in _poetry_hashes(project):
            raise Refusal(f"{POETRY} does not match {PYPROJECT}; run 'poetry lock', or {EXPORT}")
        chosen = [one for one in lock.get("package", []) if "main" in one["groups"] and not one["optional"]]
        return locked(map(_poetry_line, chosen), POETRY)

    return _understood(POETRY, lines)


def _require_beside(tree: Tree, lock: str, project: str) -> None:
    if project not in tree.files:
        raise Refusal(f"{lock} has no {project} beside it; add the one that it locks, or remove it")


def _understood(name: str, lines: Callable[[], Locked]) -> Locked:
    try:
        return lines()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f"{name} is not a lock that is understood here ({error!r}); lock the project anew") from error


def _pipfile_hash(pipfile: dict[str, Any], sources: list[dict[str, Any]]) -> str:
    """What Pipenv writes of a Pipfile. Without ``source`` that depends on settings of pip where it was locked, so the lock is believed."""
    content = {
        "_meta": {"sources": pipfile.get("source", sources), "requires": pipfile.get("requires", {})},
        "default": pipfile.get("packages", {}),
        "develop": pipfile.get("dev-packages", {}),
        **{name: section for name, section in pipfile.items() if name not in NOT_PACKAGES},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _with_unpinned(packages: dict[str, dict[str, Any]]) -> Locked:
    """Pipenv locks for the machine that it runs on: a package that is not for it stays in the lock as a name with a marker.

    So it does here, and a host that needs it is refused by pip, which wants a version and a hash.
    """
    unpinned = [name for name, package in packages.items() if package.get("version") == "*" and package.get("markers")]
    pinned = locked((_pipenv_line(name, packages[name]) for name in packages if name not in unpinned), PIPENV)
    more = (f"{name} ; {packages[name]['markers']}\n" for name in sorted(unpinned))
    return Locked(pinned.text + "".join(more), pinned.folders)


def _pipenv_line(name: str, package: dict[str, Any]) -> str:
    repository = next((kind for kind in REPOSITORIES if kind in package), None)
    extras = f"[{','.join(sorted(package['extras']))}]" if package.get("extras") else ""
    if repository:
        what = f"{name} @ {repository}+{package[repository]}"
    elif "path" in package:
        what = package["path"]
    elif "file" in package:
        what = f"{name} @ {package['file']}"
    else:
        what = f"{name}{extras}=={package['version'].removeprefix('==')}"
    return _joined(what, package.get("markers"), package.get("hashes", []))


def _poetry_hashes(project: dict[str, Any]) -> Iterator[str]:
    """What Poetry may have written of a pyproject.toml: from 2.3 on with its dependency groups, before without."""
    tool = project.get("tool", {}).get("poetry", {})
    own: dict[str, Any] = project.get("dependency-groups", {})
    for groups in (own, {}):
        of_project = {key: project["project"][key] for key in OF_THE_PROJECT if key in project.get("project", {})}
        content = {
            **({"project": of_project} if of_project else {}),
            **({"dependency-groups": groups} if groups else {}),
        }
        of_tool = {key: tool[key] for key in (*OLDER_KEYS, "group") if key in tool}
        content = {**content, "tool": {"poetry": of_tool}} if content else dict.fromkeys(OLDER_KEYS) | of_tool
        yield hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _poetry_line(package: dict[str, Any]) -> str:
    name, source = package["name"], package.get("source", {})
    kind, url = source.get("type", "legacy"), source.get("url", "")
    what = {
        "legacy": f"{name}=={package['version']}",
        "url": f"{name} @ {url}",
        "file": f"./{url}",
        "directory": url,
    }.get(kind, f"{name} @ {kind}+{url}")
    markers = package.get("markers")
    if isinstance(markers, dict):  # by group
        markers = markers.get("main")
    return _joined(what, markers, [file["hash"] for file in package["files"]])


def _joined(what: str, marker: str | None, hashes: list[str]) -> str:
    return " ".join([what, *([f"; {marker}"] if marker else []), *(f"--hash={one}" for one in hashes)])
