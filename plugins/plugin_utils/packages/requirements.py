# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages an app's virtual environment has: found in the source in a documented order, locks first."""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.python.packages import Packages
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import (
    lock_files,
    pipenv_poetry_locks,
    requirement_files,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.pipenv_poetry_locks import (
    PIPENV,
    PIPFILE,
    POETRY,
    PYPROJECT,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.requirement_files import File, Line, is_elsewhere
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import Tree
from ansible_collections.emperor.flask.plugins.plugin_utils.source.source import Source

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from packaging.utils import canonicalize_name

SCHEMA = 2
UV, PYLOCK, REQUIREMENTS, SETUP, PROJECT = "uv.lock", "pylock.toml", "requirements.txt", "setup.py", "."
PDM = "pdm.lock"
LOCKS = (UV, PYLOCK, POETRY, PIPENV)
ORDER = (*LOCKS, REQUIREMENTS, PYPROJECT, SETUP)  # the first that is there is used
AT_THE_TOP = {UV, POETRY, PIPENV, PYPROJECT, SETUP}  # what is only understood there
# What says which packages an app needs, but not to anything here, and what makes of it something that does.
UNKNOWN = {
    PIPFILE: "run 'pipenv lock' and add Pipfile.lock",
    PDM: "run 'pdm export --prod --output requirements.txt' and add requirements.txt",
}
PYLOCKS = re.compile(r"pylock(\.[^.]+)?\.toml")  # the names that PEP 751 allows
LOCKED = ["--require-hashes", "--no-deps"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # what a requirement begins with


@dataclass(frozen=True)
class Plan:
    """What is installed. ``read`` has the requirements files of the code that count, ``unused`` what was found and not taken.

    ``packaged`` says that there is no code beside the packages.
    """

    packages: Packages = field(default_factory=Packages)
    read: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    packaged: bool = False

    @property
    def installs_app(self) -> bool:
        """Tell whether the app itself is among the packages, so that Flask has its instance folder beside them."""
        return self.packaged or any(PROJECT in arguments for arguments in self.packages.installs)

    def digest(self, python: str, code: str, instances: Sequence[str] = ()) -> str:
        """Identity of the virtual environment: Python, pip's arguments, every text that counts and what it links to; the code's where it is installed."""
        packages = asdict(self.packages)
        later = {
            "environment": packages.pop("environment"),
            "instances": list(instances),
        }  # releases without them keep their ids
        identity = {
            "schema": SCHEMA,
            "python": python,
            **packages,
            "read": self.read,
            "code": code if self.packages.uses_code else None,
            **{key: value for key, value in later.items() if value},
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def names(self) -> set[str]:
        """The packages that are named, in their normal form (PEP 503): all of them where there is a lock."""
        found = (NAME.match(line.requirement) for line in self._lines())
        return {canonicalize_name(name[0]) for name in found if name}

    def lacks(self, name: str) -> bool:
        """Tell whether no line has a package's name, not even as an extra or in a URL; where lines are not known, nothing is lacked."""
        lines = self._lines()
        known = bool(self.read or self.packages.texts)
        known = known and not any(line.include and is_elsewhere(line.include) for line in lines)
        return known and not any(name in line.text.lower() for line in lines)

    def _lines(self) -> list[Line]:
        """The lines of all requirements files that count, the code's and the controller's."""
        return [line for item in {**self.read, **self.packages.texts}.items() for line in File(*item).lines]

    def __str__(self) -> str:
        return self.packages.origin + (f" (not used: {', '.join(self.unused)})" if self.unused else "")


def mistakes(source: Source, named: list[str] | None) -> Iterator[str]:
    """What is wrong with an app's ``requirements``."""
    if source.package is not None:
        if named:
            yield "requirements names files of the source, but source.package has none; its own metadata says what it needs"
        return
    for name in named or []:
        file = source.folder / name
        if not file.resolve().is_relative_to(source.folder.resolve()):
            yield f"requirements has '{name}', which is outside of {source.folder}; name files of the source"
        elif name != PROJECT and not file.is_file():
            yield f"requirements has '{name}', but there is no {file}; correct the name or add the file"
        elif name != PROJECT and posixpath.normpath(name) not in source.files:
            yield f"requirements has '{name}', but git ignores {file}, so it stays behind; let git have it"
        elif posixpath.basename(name) in AT_THE_TOP and posixpath.dirname(posixpath.normpath(name)):
            yield f"requirements has '{name}', which is only understood at the top of the source; make {file.parent} the source"
    files = [name for name in named or [] if name != PROJECT]
    alone = [
        name for name in files if posixpath.normpath(name) in AT_THE_TOP or PYLOCKS.fullmatch(posixpath.basename(name))
    ]
    if alone and len(files) > 1:
        yield f"requirements has {' and '.join(files)}, but {alone[0]} says everything; keep one, or requirements files alone"


def plan(source: Source, named: list[str] | None, module: str, cache: Cache | None = None) -> Plan:
    """Decide what is installed; raises Refusal for a lock that cannot be used.

    Unset, the first file of ORDER, and the project itself where ``module`` cannot be imported from the code as it lies there.
    """
    if source.package is not None:
        return Plan(Packages(source.origin["package"], [[source.package]], {}, bool(source.files)), packaged=True)
    there = [name for name in ORDER if name in source.files and (name != PYPROJECT or _is_project(source))]
    if named is None and not {*LOCKS, REQUIREMENTS} & {*there}:
        _refuse_unknown(source)
    files = [posixpath.normpath(name) for name in named] if named is not None else there[:1]
    itself = PROJECT in files if named is not None else _must_be_installed(source, module)
    files = [name for name in files if name != PROJECT]
    chosen = _plan(source, files, itself, cache or Cache.default())
    there += [PDM] if PDM in source.files else []
    return Plan(chosen.packages, chosen.read, [name for name in there if name not in (*files, PYPROJECT, SETUP)])


def importable(tree: Tree, module: str) -> bool:
    """Tell whether the code has a module at its top or in src/, where it is imported from without being installed."""
    top = re.split(r"[.:]", module)[0]
    starts = tuple(f"{folder}{top}{end}" for folder in ("", "src/") for end in (".py", "/"))
    return any(name.startswith(starts) for name in tree.files)


def _plan(source: Source, files: list[str], itself: bool, cache: Cache) -> Plan:
    origin = ", ".join([*files, *(["the project itself"] if itself else [])]) or "nothing"
    project = [["--no-deps", PROJECT]] if itself else []
    if files == [PYPROJECT]:
        dependencies = _dependencies(source)
        if dependencies is None:
            return Plan(Packages(origin, [[PROJECT]], {}, True))
        for dependency in dependencies:
            requirement_files.refuse_repository(PYPROJECT, dependency)
        return _generated(source, origin, lock_files.Locked("".join(f"{line}\n" for line in dependencies)), [], project)
    if files == [SETUP]:
        return Plan(Packages(origin, [[PROJECT]], {}, True))
    if files == [UV]:
        return _generated(source, origin, lock_files.from_uv(source, cache), LOCKED, project)
    if files in ([POETRY], [PIPENV]):
        lock = pipenv_poetry_locks.from_poetry(source) if files == [POETRY] else pipenv_poetry_locks.from_pipenv(source)
        return _generated(source, origin, lock, LOCKED, project)
    if len(files) == 1 and PYLOCKS.fullmatch(posixpath.basename(files[0])):
        return _generated(source, origin, lock_files.from_pylock(source, files[0]), LOCKED, project)
    read = [one for file in files for one in requirement_files.read(source, file)]
    lines = [line for one in read for line in one.lines]
    for line in lines:
        requirement_files.refuse_repository(line.file, line.text, line.requirement or line.editable or "")
        if line.editable:
            raise Refusal(
                f"{line.file} has '{line.text}', a link to a folder that a release does not keep; write it without -e"
            )
    hashes = ["--require-hashes"] if any(line.options.hash for line in lines) else []
    arguments = [[*hashes, *(part for file in files for part in ("--requirement", file))]] if files else []
    local = [line for line in lines if requirement_files.uses_code(source, line)]
    packages = Packages(origin, [*arguments, *project], {}, itself or bool(local))
    return Plan(packages, {one.name: one.text for one in read})


def _generated(
    source: Source, origin: str, locked: lock_files.Locked, options: list[str], project: list[list[str]]
) -> Plan:
    """The plan for a requirements file that the controller makes."""
    name = "emperor-requirements.txt"
    installs = [[*options, "--requirement", name]] if locked.text else []
    folders = [["--no-deps", *locked.folders]] if locked.folders else []
    texts = {name: locked.text} if locked.text else {}
    lines = File(origin.partition(",")[0], locked.text).lines
    local = [line for line in lines if requirement_files.uses_code(source, line)]
    return Plan(Packages(origin, [*installs, *folders, *project], texts, bool(local or folders or project)))


def _is_project(tree: Tree) -> bool:
    """Tell a project's pyproject.toml from one that only holds the settings of tools."""
    return bool({"project", "build-system"} & lock_files.read_toml(tree.folder / PYPROJECT, PYPROJECT).keys())


def _must_be_installed(tree: Tree, module: str) -> bool:
    """Tell a project that must be built to be imported; without a build-system or setup.py it cannot be."""
    if importable(tree, module) or SETUP in tree.files:
        return not importable(tree, module)
    return PYPROJECT in tree.files and "build-system" in lock_files.read_toml(tree.folder / PYPROJECT, PYPROJECT)


def _refuse_unknown(tree: Tree) -> None:
    """Refuse to install other versions than somebody has locked, or nothing at all, where no file here says what."""
    for name, remedy in UNKNOWN.items():
        if name in tree.files:
            raise Refusal(f"{name} is not read here; {remedy}, or say in requirements what to install from")


def _dependencies(tree: Tree) -> list[str] | None:
    """What pyproject.toml requires, or None where only its build-system can tell."""
    project = lock_files.read_toml(tree.folder / PYPROJECT, PYPROJECT).get("project")
    if project is None or "dependencies" in project.get("dynamic", []):
        return None
    found: list[str] = project.get("dependencies", [])
    return found
