# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""uWSGI built from its source distribution, a tree for each version and Python: ``<root>/<version>-python<X.Y>/``.

pip builds in a virtual environment that is the tree itself, with its hash mode as the proof of what was built. A tree
holds ``COMPLETE`` once its uWSGI has answered; one without it is what a run that died has left, and is built anew.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.files import replace_link
from ansible_collections.emperor.flask.plugins.module_utils.host import python_version

COMPLETE = ".complete"
CURRENT = "current"
OLDEST = (3, 8)


@dataclass(frozen=True)
class Build:
    """One tree: which uWSGI, for which interpreter."""

    root: str
    version: str
    python: str
    python_version: str

    @property
    def path(self) -> str:
        """The tree's folder."""
        return os.path.join(self.root, f"{self.version}-python{self.python_version}")

    @property
    def binary(self) -> str:
        """The uWSGI that vassals are run with."""
        return os.path.join(self.path, "bin", "uwsgi")

    @property
    def complete(self) -> bool:
        """Tell whether the tree was built to the end and still has its binary."""
        return os.path.exists(os.path.join(self.path, COMPLETE)) and os.access(self.binary, os.X_OK)

    def make(self, checksum: str) -> None:
        """Build the tree; leave nothing behind and raise Refusal with the build's last lines if that fails.

        A virtual environment cannot be moved, so the tree is built in its final place.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            run([self.python, "-m", "venv", self.path])
            requirements = os.path.join(self.path, "requirements.txt")
            with open(requirements, "w", encoding="utf-8") as file:
                file.write(f"uwsgi=={self.version} --hash=sha256:{checksum}\n")
            # /tmp is often mounted noexec, and a build executes what it has compiled.
            environment = {**os.environ, "TMPDIR": "/var/tmp", "LC_ALL": "C.UTF-8"}
            pip = [os.path.join(self.path, "bin", "python"), "-m", "pip", "--disable-pip-version-check"]
            source = ["--no-cache-dir", "--no-binary", "uwsgi", "--require-hashes", "--requirement", requirements]
            run([*pip, "install", *source], env=environment)
            self._prove()
            with open(os.path.join(self.path, COMPLETE), "w", encoding="utf-8"):
                pass
        except BaseException as error:
            shutil.rmtree(self.path, ignore_errors=True)
            if isinstance(error, CommandFailed):
                what = f"uWSGI {self.version} cannot be built for {self.python}"
                raise Refusal(f"{what}:\n{tail(error.output)}") from error
            raise

    def _prove(self) -> None:
        answer = run([self.binary, "--version"]).strip()
        if answer != self.version:
            raise Refusal(f"{self.binary} says that it is uWSGI '{answer}', not {self.version}")


def plan(root: str, version: str, pythons: list[str]) -> list[Build]:
    """Return the trees these interpreters need, in their order; two interpreters of one X.Y share a tree."""
    if not pythons:
        raise Refusal("no interpreter is named to build uWSGI for")
    builds: dict[str, Build] = {}
    for python in pythons:
        build = Build(root, version, python, ask_version(python))
        builds.setdefault(build.path, build)
    return list(builds.values())


def ask_version(python: str) -> str:
    """Return an interpreter's X.Y; raise Refusal if it is missing or too old."""
    answer = python_version(python)
    if answer is None:
        raise Refusal(f"the interpreter '{python}' does not run; install it or name another")
    if tuple(int(part) for part in answer.split(".")) < OLDEST:
        raise Refusal(f"the interpreter '{python}' is Python {answer}; needed is {'.'.join(map(str, OLDEST))} or newer")
    return answer


def missing(builds: list[Build]) -> dict[str, Any]:
    """Return the paths of the trees that are not there, and whether ``current`` names none of these trees."""
    link = os.path.join(builds[0].root, CURRENT)
    trees = {os.path.basename(build.path) for build in builds}
    return {
        "missing": [build.path for build in builds if not build.complete],
        "relink": not (os.path.islink(link) and os.readlink(link) in trees),
    }


def make(builds: list[Build], checksum: str) -> dict[str, Any]:
    """Build what is missing and make ``current`` name one of these trees; return what was missing, and what was built.

    A second run on the same host waits for the first, and then finds its trees.
    """
    root = builds[0].root
    os.umask(0o022)  # every app's user runs what is in the trees
    os.makedirs(root, exist_ok=True)
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = missing(builds)
        for build in builds:
            if build.path in state["missing"]:
                build.make(checksum)
        if state["relink"]:
            replace_link(os.path.join(root, CURRENT), os.path.basename(builds[0].path))
    finally:
        os.close(lock)
    return {**state, "built": state["missing"]}
