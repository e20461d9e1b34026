# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version of a project that takes it from git's tags: the hosts have no repository, so the controller says it to the build."""

from __future__ import annotations

import configparser
import contextlib
import re
from pathlib import Path
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.lock_files import read_toml
from ansible_collections.emperor.flask.plugins.plugin_utils.source import git
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import NOBODYS, git_environment
from ansible_collections.emperor.flask.plugins.plugin_utils.source.source import Source

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

# What build tools are told a version by, as their documentation says. Of the first kind each takes the one of its project alone.
SETUPTOOLS_SCM = "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_{name}"
TOLD_BY = {
    "setuptools-scm": SETUPTOOLS_SCM,
    "hatch-vcs": SETUPTOOLS_SCM,
    "flit-scm": SETUPTOOLS_SCM,
    "pbr": "PBR_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
    "uv-dynamic-versioning": "UV_DYNAMIC_VERSIONING_BYPASS",
}
IN_SETUP_PY = {"use_scm_version": "setuptools-scm", "setuptools_scm": "setuptools-scm", "pbr": "pbr"}
TAG = re.compile(r"(?:[\w-]+-)?([vV]?\d.*)")  # v1.2, shop-1.2
DESCRIBED = re.compile(r"(.+)-(\d+)-g([0-9a-f]+)")


def variables(source: Source, cache: Cache) -> dict[str, str]:
    """The environment that tells a project's build its version; empty where it has one of its own, or there is no git to ask."""
    name, tools = _project(source)
    stated = {TOLD_BY[tool].format(name=re.sub(r"[-_.]+", "_", name).upper()) for tool in tools if tool in TOLD_BY}
    version = _version(source, cache) if stated else None
    return dict.fromkeys(sorted(stated), version) if version else {}


def after(described: str) -> str | None:
    """The version that ``git describe --long`` stands for, as setuptools-scm counts: after a tag it is the next one, in development."""
    found = DESCRIBED.fullmatch(described)
    tag = TAG.fullmatch(found[1]) if found else None
    if not found or not tag:
        return None
    try:
        version = Version(tag[1])
    except InvalidVersion:
        return None
    return str(version) if found[2] == "0" else f"{_next(version)}.dev{found[2]}+g{found[3]}"


def _next(version: Version) -> str:
    if version.pre:
        return f"{'.'.join(map(str, version.release))}{version.pre[0]}{version.pre[1] + 1}"
    return ".".join(map(str, (*version.release[:-1], version.release[-1] + 1)))


def _project(source: Source) -> tuple[str, set[str]]:
    """A project's name, and the tools that its build requires."""
    required: Any = []
    name, folder = "", source.folder
    if "pyproject.toml" in source.files:
        stated = read_toml(folder / "pyproject.toml", "pyproject.toml")
        name = str(_at(stated, "project", "name") or _at(stated, "tool", "poetry", "name") or "")
        required = _at(stated, "build-system", "requires") or []
    tools: set[str] = set()
    for requirement in required if isinstance(required, list) else []:
        with contextlib.suppress(InvalidRequirement):
            tools.add(canonicalize_name(Requirement(str(requirement)).name))
    if "setup.py" in source.files:
        text = (folder / "setup.py").read_text(encoding="utf-8", errors="replace")
        tools |= {tool for word, tool in IN_SETUP_PY.items() if re.search(rf"\b{word}\b", text)}
        name = name or _named(folder, source.files, text)
    return name, tools


def _at(table: Any, *keys: str) -> Any:
    """A value within tables of a TOML file; None where there is none, or no table."""
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table


def _named(folder: Path, files: tuple[str, ...], setup: str) -> str:
    """The name that setup.cfg or setup.py says."""
    stated = configparser.ConfigParser(interpolation=None)
    if "setup.cfg" in files:
        with contextlib.suppress(configparser.Error):
            stated.read_string((folder / "setup.cfg").read_text(encoding="utf-8", errors="replace"))
    found = re.search(r"""\bname\s*=\s*["']([^"']+)["']""", setup)
    return stated.get("metadata", "name", fallback=found[1] if found else "")


def _version(source: Source, cache: Cache) -> str | None:
    """What git says of the commit that is released, or of what is checked out; None where it says nothing."""
    where = git.mirrored(source.origin["git"], cache) if "git" in source.origin else ["-C", str(source.folder)]
    argv = [
        "git",
        *NOBODYS,
        *where,
        "describe",
        "--tags",
        "--long",
        "--match",
        "*[0-9]*",
        source.origin.get("commit", "HEAD"),
    ]
    try:
        # A folder's own settings name the commands that git would fetch with what is missing in it. Its files are not compared with
        # the commit (--dirty), for they name filters to do that by.
        environment = {**git_environment(), "GIT_ALLOW_PROTOCOL": "", "GIT_NO_LAZY_FETCH": "1"}
        return after(run(argv, env=environment, cwd=str(source.folder)).strip())
    except CommandFailed:
        return None
