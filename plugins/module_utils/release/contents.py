# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release is made of on the host: code and virtual environments, stored once per digest, and the release's own folder.

Nothing in a store changes after it was made. What is not complete is made anew; a failure leaves nothing behind.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tarfile

from ansible_collections.emperor.flask.plugins.module_utils.background import definitions
from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.box import Job
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, remove_tree, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import COMPLETE, Layout
from ansible_collections.emperor.flask.plugins.module_utils.python import virtual_environment
from ansible_collections.emperor.flask.plugins.module_utils.python.packages import Packages
from ansible_collections.emperor.flask.plugins.module_utils.python.pip import LENT, lent, pip, reason
from ansible_collections.emperor.flask.plugins.module_utils.release.build_folder import adopt, bench
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.release.shared_files import share

SOURCE = "/var/www/source"  # where a build sees a copy of the code that it may write in
WHEELS = "/var/www/wheels"  # where it puts its wheels
WHEEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl")
# Run in the box: fills a folder, and byte-compiles it. A store never changes, so Python need not look whether it did.
FILL = """
import compileall, py_compile, shutil, sys, tarfile
folder, source, compiled = sys.argv[1:]
if source == "-":
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|*") as archive:
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
elif source:
    shutil.copytree(source, folder, symlinks=True, dirs_exist_ok=True)
if compiled:
    compileall.compile_dir(folder, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def stage_code(layout: Layout, release: Release, archive: str | None, python: str) -> bool:
    """Unpack the release's source unless it is there, and byte-compile it if it is served as it is; tell whether that was needed."""
    path = layout.code(release.source)
    if os.path.isdir(path):
        return False
    if archive is None:
        raise Refusal(f"the code {release.source} is not on the host and was not sent; run again")
    partial = f"{path}.partial"
    remove_tree(partial)
    try:
        with bench(layout, "code") as (built,):
            job = jobs.build(layout, release.manifest, "/", [f"BindPaths={built}:{path}"])
            fill(job, python, path, "-", archive=archive)
            adopt(built, partial)
        os.rename(partial, path)
    except (OSError, CommandFailed) as error:
        said = jobs.because(error, release.manifest, "build") if isinstance(error, CommandFailed) else error
        raise Refusal(f"the code cannot be unpacked to {path}: {said}") from error
    finally:
        remove_tree(partial)
    return True


def fill(job: Job, python: str, folder: str, source: str, compiled: bool = True, archive: str | None = None) -> None:
    """Fill a folder of the builder's with a copy of ``source``, or ("-") with what ``archive`` holds, and byte-compile it.

    An empty ``source`` leaves it as it is. What cannot be compiled, such as a template that ends in .py, is found out when it is imported.
    """
    program = ["-I", "-c", FILL, folder, source, "compiled" if compiled else ""]
    jobs.run_job(job, [python, *program], given=archive)


def stage_venv(layout: Layout, release: Release, python: str, wheels: str | None = None) -> bool:
    """Make the release's virtual environment unless it is there; tell whether that was needed.

    It is built in the box, where it sees itself at its final place, because a package's build may run any code. ``wheels`` is an archive of
    all that it needs, built on a host of this kind; without it pip is asked.
    """
    path, packages = layout.venv(release.venv), Packages(**release.packages)
    if os.path.exists(os.path.join(path, COMPLETE)):
        return False
    partial = f"{path}.partial"
    remove_tree(path)
    remove_tree(partial)
    try:
        with bench(layout, "venv", "source") as (venv, source):
            job = jobs.build(
                layout, release.manifest, "/", [f"BindPaths={venv}:{path}", f"BindPaths={source}:{SOURCE}"]
            )
            jobs.run_job(job, virtual_environment.make(python, path, layout.uwsgi))
            if wheels:
                fill(job, python, SOURCE, "-", compiled=False, archive=wheels)
                files = [f"{SOURCE}/{name}" for name in _names(wheels)]
                built = dataclasses.replace(packages, uses_code=False)
                _pip(layout, release, built, job, [["install", "--no-index", "--no-deps", *files]])
            elif packages.installs:
                _pip(layout, release, packages, job, [["install", *one] for one in packages.arguments(LENT)])
            adopt(venv, partial)
        for instance in release.instances:
            share(layout, release.identity, release.manifest, partial, instance)
        for name, text in packages.texts.items():
            replace_file(os.path.join(partial, name), text.encode(), Access(0o644))
        replace_file(os.path.join(partial, COMPLETE), b"", Access(0o644))
        os.rename(partial, path)
    except jobs.TimedOut as error:
        raise Refusal(
            f"the virtual environment was not made within {box.timeout(release.manifest, 'build')} seconds; raise timeouts.build, or lock to "
            f"packages that need no build. The end of what pip said:\n{tail(error.output)}"
        ) from error
    except CommandFailed as error:
        killed = f"\n{jobs.KILLED}" if isinstance(error, jobs.Killed) else ""
        made_of = f" with {packages.origin}" if packages.installs else ""
        said = reason(error.output, layout.bench)
        raise Refusal(f"the virtual environment cannot be made{made_of}:\n{said}{killed}") from error
    finally:
        remove_tree(partial)
    return True


def build_wheels(layout: Layout, release: Release, python: str, archive: str) -> None:
    """Build the wheels of all that the release's virtual environment needs, and write them to ``archive``."""
    path, packages = layout.venv(release.venv), Packages(**release.packages)
    partial = f"{path}.partial"
    remove_tree(partial)
    try:
        with bench(layout, "venv", "source", "wheels") as (venv, source, wheels):
            binds = [f"BindPaths={venv}:{path}", f"BindPaths={source}:{SOURCE}", f"BindPaths={wheels}:{WHEELS}"]
            job = jobs.build(layout, release.manifest, "/", binds)
            jobs.run_job(job, virtual_environment.make(python, path, layout.uwsgi))
            asked = [["wheel", "--use-pep517", "--wheel-dir", WHEELS, *one] for one in packages.arguments(LENT)]
            _pip(layout, release, packages, job, asked)
            adopt(wheels, partial)
        with tarfile.open(archive, "w") as tar:
            for name in sorted(filter(WHEEL.fullmatch, os.listdir(partial))):
                tar.add(os.path.join(partial, name), name)
        os.chmod(archive, 0o644)  # the controller fetches it as the user it logs in with
    except CommandFailed as error:
        said = (
            jobs.because(error, release.manifest, "build")
            if isinstance(error, jobs.TimedOut)
            else reason(error.output, layout.bench)
        )
        raise Refusal(f"the wheels cannot be made with {packages.origin}:\n{said}") from error
    finally:
        remove_tree(partial)


def _names(archive: str) -> list[str]:
    with tarfile.open(archive) as tar:
        return [name for name in tar.getnames() if WHEEL.fullmatch(name)]


def _pip(layout: Layout, release: Release, packages: Packages, job: Job, asked: list[list[str]]) -> None:
    """Let pip work in the code, or in a copy where something of it is built, because setuptools writes beside it."""
    code = next(filter(os.path.isdir, map(layout.code, (release.source, release.code))))
    interpreter = os.path.join(layout.venv(release.venv), "bin", "python")
    with lent(layout.bench, layout.builder, packages.texts, packages.environment) as settings:
        job = dataclasses.replace(
            job,
            folder=SOURCE if packages.uses_code else code,
            settings=[*job.settings, *settings, f"BindReadOnlyPaths={code}"],
        )
        if packages.uses_code:
            jobs.run_job(job, ["/bin/cp", "-R", "-P", "--preserve=mode,timestamps", f"{code}/.", SOURCE])
        for arguments in asked:
            # By way of env(1): systemd-run looks for a program where it is called, and this one is in the box only.
            pip(interpreter, *arguments, runner=lambda command: jobs.run_job(job, ["/usr/bin/env", *command]))


def make_release(layout: Layout, release: Release) -> bool:
    """Write the release's folder unless it is there; tell whether that was needed."""
    path = layout.release(release.identity)
    if os.path.isdir(path):
        return False
    partial = f"{path}.partial"
    remove_tree(partial)
    os.mkdir(partial, 0o700)
    for_app = Access(0o640, "root", layout.name)
    replace_file(os.path.join(partial, "uwsgi.ini"), release.uwsgi_ini.encode(), for_app)
    replace_file(os.path.join(partial, "nginx.conf"), release.nginx_conf.encode(), for_app)
    replace_file(os.path.join(partial, "env"), release.env.encode(), for_app)
    if release.background:
        replace_file(os.path.join(partial, definitions.FILE), release.background.encode(), for_app)
    manifest = json.dumps(release.manifest, indent=2, sort_keys=True) + "\n"
    replace_file(os.path.join(partial, "manifest.json"), manifest.encode(), Access(0o600))
    os.symlink(f"../../code/{release.code}", os.path.join(partial, "code"))
    os.symlink(f"../../venvs/{release.venv}", os.path.join(partial, "venv"))
    if release.static:
        os.symlink(f"../../static/{release.static}", os.path.join(partial, "static"))
    Access(0o750, "root", layout.name).apply(partial)
    os.rename(partial, path)
    return True
