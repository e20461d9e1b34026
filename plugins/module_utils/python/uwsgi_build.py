# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""uWSGI on a host, a tree for each version and Python: ``<root>/pyuwsgi-<version>-python<X.Y>/``, a virtual environment.

uWSGI is a module of Python in it: an app's own interpreter loads it, which is 1.4 times faster than the libpython that a program would
embed. ``bin/uwsgi`` starts it, with the tree's Python or whichever runs that script. On one host of each kind a wheel is built from the
source distribution, with pip's hash mode as the proof of what was built; the others get that wheel. A tree holds ``COMPLETE`` once its
uWSGI has answered; one without it is what a run that died has left, and is made anew.

What a host has built may be in somebody else's hands, so no other host runs it as root: a wheel has nothing but the module and texts
in it, and the module is asked as ``nobody``. Afterwards it runs as the apps' users alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.facts.host_facts import python_version, system
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import link_target, names_in, replace_link
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256 as file_digest
from ansible_collections.emperor.flask.plugins.module_utils.python.pip import own, pip, reason

COMPLETE = ".complete"
CURRENT = "current"
OLDEST = (3, 8)
HEADERS = "import os, sysconfig; print(os.path.join(sysconfig.get_path('include'), 'Python.h'))"
# What a build makes: the module, another one for apps, and what pip keeps of a package, but for the programs that pip would make itself.
# Anything else, such as a .pth file, could be run by root's next Python.
MEMBERS = r"uwsgidecorators\.py|pyuwsgi\.cpython-\w[\w-]*\.so|pyuwsgi-{0}\.dist-info/(?!entry_points\.txt$)\w[\w.-]*(/\w[\w.-]*)*"
# setup.py of the module; the program it would add is what bin/uwsgi is for.
SETUP, PROGRAMS = "setup.pyuwsgi.py", re.compile(r"^ *entry_points=\{.*?\},\n", re.DOTALL | re.MULTILINE)
START = """#!{python} -I
# Made by emperor.flask. Starts uWSGI in the Python that runs this: the tree's for the Emperors, an app's own for its vassals.
import sys

path = [folder for folder in sys.path if folder != "{bin}"]
sys.path[:] = ["{packages}", *path]
import pyuwsgi

sys.path[:] = path
with open("/proc/self/comm", "w") as name:  # for ps and pgrep
    name.write("uwsgi")
pyuwsgi.run()
"""
NOBODY: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
PATIENCE = 30  # seconds that a program may take to tell its version
MOST = 2**20  # bytes that it may print or write
# A line of dpkg-query --search: packages, each with ":architecture" where it has one, then the path.
OWNERS = re.compile(r"^([a-z0-9][^\s/]*(?:, [a-z0-9][^\s/]*)*): /")


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
        return os.path.join(self.root, f"pyuwsgi-{self.version}-python{self.python_version}")

    @property
    def binary(self) -> str:
        """What starts uWSGI: a script for the tree's Python, or an app's."""
        return os.path.join(self.path, "bin", "uwsgi")

    @property
    def _python(self) -> str:
        return os.path.join(self.path, "bin", "python")

    @property
    def _packages(self) -> str:
        return os.path.join(self.path, "lib", f"python{self.python_version}", "site-packages")

    @property
    def _module(self) -> str:
        (name,) = (name for name in os.listdir(self._packages) if name.startswith("pyuwsgi.") and name.endswith(".so"))
        return os.path.join(self._packages, name)

    @property
    def complete(self) -> bool:
        """Tell whether the tree was made to the end and still has its binary."""
        return _is_complete(self.path)

    def build(self, checksum: str, folder: str) -> dict[str, Any]:
        """Build the wheel into ``folder`` and install it; return its path, its SHA-256 and the packages its libraries are in.

        Raise Refusal with the build's last lines if that fails; a tree that was not complete is gone then.
        """
        with self._reported(f"uWSGI {self.version} cannot be built for {self.python}"):
            headers = run([self.python, "-c", HEADERS]).strip()
            if not os.path.exists(headers):
                raise Refusal(
                    f"the interpreter '{self.python}' has no headers to build uWSGI with ({headers}); "
                    "install its -dev package, or name another interpreter"
                )
            with self._made():
                wheel = self._wheel(checksum, folder)
                if not self.complete:
                    self._install(wheel)
            return {"wheel": wheel, "sha256": file_digest(wheel), "packages": packages(libraries(self._module))}

    def install(self, wheel: str, sha256: str) -> None:
        """Install a wheel that was built on another host; ``sha256`` is that of the wheel which the controller has.

        Raise Refusal if it is not that one, has something in it that no build makes, or does not run here.
        """
        if file_digest(wheel) != sha256:
            raise Refusal(f"{os.path.basename(wheel)} arrived damaged: its SHA-256 is not {sha256}; run again")
        check(wheel, self.version)
        what = (
            f"{os.path.basename(wheel)}, built on another host of this kind, does not run here; "
            "give this host a build of its own with another folder as uwsgi_emperor_cache"
        )
        with self._reported(what), self._made():
            if not self.complete:
                self._install(wheel)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        try:
            yield
        except CommandFailed as error:
            raise Refusal(f"{what}:\n{reason(error.output, self.root)}") from error

    @contextlib.contextmanager
    def _made(self) -> Iterator[None]:
        """A virtual environment that becomes the tree or goes away; it cannot be moved, so it is made in its final place."""
        if self.complete:
            yield
            return
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            run([self.python, "-m", "venv", self.path])
            yield
            with open(os.path.join(self.path, COMPLETE), "w", encoding="ascii"):
                pass
        except BaseException:
            shutil.rmtree(self.path, ignore_errors=True)
            raise

    def _wheel(self, checksum: str, folder: str) -> str:
        requirements = os.path.join(folder, "requirements.txt")
        with open(requirements, "w", encoding="utf-8") as file:
            file.write(f"uwsgi=={self.version} --hash=sha256:{checksum}\n")
        # A build isolated from the tree, so that every pip makes a wheel: those of Debian 12 have no "wheel" to do it with.
        how = ["--no-deps", "--use-pep517"]
        proof = ["--no-binary", "uwsgi", "--require-hashes", "--requirement", requirements]
        self._pip(folder, "download", *how, *proof, "--dest", folder)
        source = self._unpacked(folder)
        self._pip(folder, "wheel", *how, "--wheel-dir", folder, source)
        (wheel,) = (entry.path for entry in os.scandir(folder) if entry.name.endswith(".whl"))
        os.chmod(wheel, 0o644)  # the controller fetches it as the user it logs in with
        return wheel

    def _unpacked(self, folder: str) -> str:
        """The folder of the source distribution that was downloaded, as a module's."""
        (archive,) = (entry.path for entry in os.scandir(folder) if entry.name.endswith(".tar.gz"))
        source = os.path.join(folder, "source")
        os.mkdir(source)
        run(["tar", "--extract", "--file", archive, "--directory", source, "--strip-components=1"])
        with open(os.path.join(source, SETUP), encoding="utf-8") as stream:
            text = stream.read()
        with open(os.path.join(source, "setup.py"), "w", encoding="utf-8") as stream:
            stream.write(PROGRAMS.sub("", text))
        return source

    def _install(self, wheel: str) -> None:
        self._pip(os.path.dirname(wheel), "install", "--no-index", "--no-deps", wheel)
        with open(self.binary, "w", encoding="utf-8") as stream:
            where = os.path.dirname(self.binary)
            stream.write(START.format(python=self._python, bin=where, packages=self._packages))
        os.chmod(self.binary, 0o755)
        answer = ask([self.binary, "--version"]).strip()
        if answer != self.version:
            raise Refusal(f"{self.binary} says that it is uWSGI '{answer}', not {self.version}")

    def _pip(self, folder: str, *arguments: str) -> None:
        pip(self._python, *arguments, runner=lambda command: run(command, env=own(folder)))


def _is_complete(tree: str) -> bool:
    return os.path.exists(os.path.join(tree, COMPLETE)) and os.access(os.path.join(tree, "bin", "uwsgi"), os.X_OK)


def ready(root: str) -> dict[str, Any]:
    """The trees below a root that are complete, and the one that ``current`` names."""
    trees = [os.path.join(root, name) for name in names_in(root) if name.startswith("pyuwsgi-")]
    current = link_target(os.path.join(root, CURRENT))
    return {"trees": list(filter(_is_complete, trees)), "current": os.path.join(root, current) if current else None}


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


def look(builds: list[Build]) -> dict[str, Any]:
    """Return the trees that are not there, each with its kind, and whether ``current`` names none of these trees.

    Hosts whose tree is of one kind can share a wheel.
    """
    link = os.path.join(builds[0].root, CURRENT)
    names = {os.path.basename(build.path) for build in builds}
    missing = [build for build in builds if not build.complete]
    kind = _kind() if missing else ""
    return {
        "missing": [
            {"path": build.path, "python": build.python, "kind": f"{kind}-python{build.python_version}"}
            for build in missing
        ],
        "relink": not (os.path.islink(link) and os.readlink(link) in names),
    }


def _kind() -> str:
    release = system()
    architecture = run(["dpkg", "--print-architecture"]).strip()
    return "-".join([release["distribution"].lower(), release["version"] or release["codename"], architecture])


@contextlib.contextmanager
def changing(builds: list[Build]) -> Iterator[None]:
    """Let one run at a time change the trees, and leave ``current`` naming one of these once all of them are there."""
    root = builds[0].root
    os.umask(0o022)  # every app's user runs what is in the trees
    os.makedirs(root, exist_ok=True)
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
        state = look(builds)
        if state["relink"] and not state["missing"]:
            replace_link(os.path.join(root, CURRENT), os.path.basename(builds[0].path))
    finally:
        os.close(lock)


def check(wheel: str, version: str) -> None:
    """Refuse a wheel with anything in it but plain files that a build of this version makes."""
    name, allowed = os.path.basename(wheel), re.compile(MEMBERS.format(re.escape(version)), re.ASCII | re.IGNORECASE)
    try:
        with zipfile.ZipFile(wheel) as packed:
            members = packed.infolist()
    except (OSError, zipfile.BadZipFile) as error:
        raise Refusal(
            f"{name} is not a wheel: {error}; remove it from uwsgi_emperor_cache on the controller"
        ) from error
    for member in members:
        mode = member.external_attr >> 16
        plain = stat.S_IFMT(mode) in (0, stat.S_IFREG) and not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX)
        if not plain or not allowed.fullmatch(member.filename):
            raise Refusal(
                f"{name} has '{member.filename}' in it, which no build of uWSGI {version} makes as it is; look at the host that built it "
                "(built_on in the manifest beside it), and remove it from uwsgi_emperor_cache on the controller"
            )


def ask(argv: list[str]) -> str:
    """What a program prints that may be hostile: as nobody, without a way to more rights, for PATIENCE seconds.

    It prints to a file, so that nothing it leaves behind is waited for. Raise CommandFailed when it ends with an error or takes longer.
    """
    limited = ["setpriv", "--no-new-privs", "prlimit", f"--fsize={MOST}", "--core=0", "--", *argv]
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                limited,
                cwd="/",
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **NOBODY,
            )
        except OSError as error:
            raise CommandFailed(argv, 127, str(error)) from error
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(argv, 124, f"it did not end within {PATIENCE} seconds") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        said = output.read(MOST).decode(errors="replace")
    if code:
        raise CommandFailed(argv, code, said.strip())
    return said


def libraries(binary: str) -> list[str]:
    """Paths of the shared libraries a program runs with."""
    return re.findall(r" => (/\S+)", ask(["ldd", binary]))


def packages(paths: list[str]) -> list[str]:
    """Names of the packages these files come from; a file of no package, such as that of a self-made Python, adds none."""
    try:
        answer = run(["dpkg-query", "--search", *sorted({name for path in paths for name in _names(path)})])
    except CommandFailed as error:  # it ends with an error if it does not know one of them, and answers for the others
        answer = error.output
    found = (match.group(1).split(", ") for match in map(OWNERS.match, answer.splitlines()) if match)
    return sorted({owner.partition(":")[0] for owners in found for owner in owners})


def _names(path: str) -> set[str]:
    """What dpkg may call a library: with /usr or, from before that merge, without."""
    bare = {name[len("/usr") :] if name.startswith("/usr/") else name for name in (path, os.path.realpath(path))}
    return {f"{usr}{name}" for name in bare for usr in ("", "/usr")}
