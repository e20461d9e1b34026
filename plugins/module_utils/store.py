# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release is made of on the host: code and virtual environments, stored once per digest, and the release's own folder.

Nothing in a store changes after it was made. What is not complete is made anew; a failure leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal, run, succeeds
from ansible_collections.emperor.flask.plugins.module_utils.files import Access, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.packages import Packages
from ansible_collections.emperor.flask.plugins.module_utils.pip import pip, reason

SCHEMA = 2  # of a release's manifest
UNCHECKED = ["--invalidation-mode", "unchecked-hash"]  # a store never changes, so Python need not look whether it did
COMPLETE = "emperor-complete"  # stands in a virtual environment that was finished: it cannot be renamed into place


@dataclass(frozen=True)
class Release:
    """A release as the controller has rendered it. ``identity`` is its id; secrets are not part of it.

    ``source``, ``code`` (the source as it is served), ``venv`` and ``static`` (empty where nginx serves none of its files) are digests,
    ``packages`` has the fields of packages.Packages, ``packaged`` says that the app itself is one of them.
    """

    identity: str
    source: str
    code: str
    venv: str
    packages: dict
    env: str
    uwsgi_ini: str
    nginx_conf: str
    manifest: dict
    static: str = ""
    packaged: bool = False


def stage_code(layout: Layout, digest: str, archive: str | None, python: str) -> bool:
    """Unpack and byte-compile the code of this digest unless it is there; tell whether that was needed."""
    path = layout.code(digest)
    if os.path.isdir(path):
        return False
    if archive is None:
        raise Refusal(f"the code {digest} is not on the host and was not sent; run again")
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.mkdir(partial)  # an app that is a package of an index has no files
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        compile_code(python, partial, path)
        give_to_root(partial)
        os.rename(partial, path)
    except (OSError, tarfile.TarError) as error:
        raise Refusal(f"the code cannot be unpacked to {path}: {error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def compile_code(python: str, folder: str, path: str) -> None:
    """Byte-compile a folder that will be ``path``. What cannot be, such as a template that ends in .py, is found out when it is imported."""
    succeeds([python, "-m", "compileall", "-q", *UNCHECKED, "-s", folder, "-p", path, folder])


def stage_venv(layout: Layout, release: Release, python: str) -> bool:
    """Make the release's virtual environment unless it is there; tell whether that was needed.

    pip runs as the app's user, because a package's build may run any code; afterwards everything belongs to root, and only
    then is it called complete.
    """
    path, packages = layout.venv(release.venv), Packages(**release.packages)
    if os.path.exists(os.path.join(path, COMPLETE)):
        return False
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    interpreter = os.path.join(path, "bin", "python")
    try:
        for name, text in packages.texts.items():  # while the folder is root's: nobody can put a link in a file's place
            replace_file(os.path.join(path, name), text.encode(), Access(0o644))
        Access(0o700, layout.name, layout.name).apply(path)
        run([python, "-m", "venv", path], env={**os.environ, "HOME": path}, user=layout.name, cwd="/")
        with _code_for(packages, layout, release) as code:
            for arguments in packages.arguments(path):
                pip(interpreter, "install", *arguments, folder=path, user=layout.name, cwd=code)
        give_to_root(path)
        replace_file(os.path.join(path, COMPLETE), b"", Access(0o644))
    except CommandFailed as error:
        shutil.rmtree(path, ignore_errors=True)
        source = f" with {packages.origin}" if packages.installs else ""
        said = reason(error.output, layout.home)
        raise Refusal(f"the virtual environment cannot be made{source}:\n{said}") from error
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return True


@contextlib.contextmanager
def _code_for(packages: Packages, layout: Layout, release: Release) -> Iterator[str]:
    """The folder that pip starts in: the code, or a copy where something of it is built, because setuptools writes beside it.

    The app's user copies, as nobody else may write where it could put links.
    """
    code = next(filter(os.path.isdir, map(layout.code, (release.source, release.code))))
    if not packages.uses_code:
        yield code
        return
    copy = os.path.join(layout.venv(release.venv), "emperor-code")
    try:
        run(["cp", "-R", "-P", "--preserve=mode,timestamps", f"{code}/.", copy], user=layout.name, cwd="/")
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def make_release(layout: Layout, release: Release) -> bool:
    """Write the release's folder unless it is there; tell whether that was needed."""
    path = layout.release(release.identity)
    if os.path.isdir(path):
        return False
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.mkdir(partial, 0o700)
    for_app = Access(0o640, "root", layout.name)
    replace_file(os.path.join(partial, "uwsgi.ini"), release.uwsgi_ini.encode(), for_app)
    replace_file(os.path.join(partial, "nginx.conf"), release.nginx_conf.encode(), for_app)
    replace_file(os.path.join(partial, "env"), release.env.encode(), for_app)
    manifest = json.dumps(release.manifest, indent=2, sort_keys=True) + "\n"
    replace_file(os.path.join(partial, "manifest.json"), manifest.encode(), Access(0o600))
    os.symlink(f"../../code/{release.code}", os.path.join(partial, "code"))
    os.symlink(f"../../venvs/{release.venv}", os.path.join(partial, "venv"))
    if release.static:
        os.symlink(f"../../static/{release.static}", os.path.join(partial, "static"))
    Access(0o750, "root", layout.name).apply(partial)
    os.rename(partial, path)
    return True


def give_to_root(top: str) -> None:
    """Give a tree to root: readable by all who pass the folder above it, executable where it was, writable by root alone.

    From the top down, each folder before what is in it: then nobody can put a link in the place of a file meanwhile.
    """
    _give(top)
    for parent, folders, files in os.walk(top):
        for name in [*folders, *files]:
            _give(os.path.join(parent, name))


def _give(path: str) -> None:
    os.chown(path, 0, 0, follow_symlinks=False)
    if not os.path.islink(path):
        executable = os.path.isdir(path) or os.stat(path).st_mode & 0o100
        os.chmod(path, 0o755 if executable else 0o644)
