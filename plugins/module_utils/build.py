# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code as it is served, where that is not just the source: with links to what survives releases, and with its build hooks run."""

from __future__ import annotations

import os
import shutil

from ansible_collections.emperor.flask.plugins.module_utils.commands import run
from ansible_collections.emperor.flask.plugins.module_utils.hooks import PATH, run_each
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.store import Release, compile_code, give_to_root


def build_code(layout: Layout, release: Release, python: str) -> None:
    """Make the release's code from its source, unless it is there. A failure leaves nothing behind."""
    path = layout.code(release.code)
    if os.path.isdir(path):
        return
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        run(["cp", "-R", "-P", "--preserve=mode,timestamps", layout.code(release.source), partial])
        for shared in release.manifest["shared"]:
            _share(layout, partial, shared)
        if release.manifest["hooks"]["build"]:
            _run_hooks(layout, release, partial)
        compile_code(python, partial, path)
        give_to_root(partial)
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _share(layout: Layout, code: str, path: str) -> None:
    """Put a link in a path's place. What the source has there is the beginning; else it is a folder.

    The app's user writes to the shared folder, not root: it is the app's own and may hold links to anywhere.
    """
    inside, outside = os.path.join(code, path), os.path.join(layout.shared, path)
    if not os.path.lexists(outside):
        run(["mkdir", "-p", os.path.dirname(outside)], user=layout.name, cwd="/")
        copy = ["cp", "-R", "-P", inside] if os.path.exists(inside) else ["mkdir"]
        run([*copy, outside], user=layout.name, cwd="/")
    if os.path.isdir(inside) and not os.path.islink(inside):
        shutil.rmtree(inside)
    elif os.path.lexists(inside):
        os.unlink(inside)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    os.symlink(outside, inside)


def _run_hooks(layout: Layout, release: Release, code: str) -> None:
    """Run the build hooks as the app's user, whose the code is meanwhile; its packages' commands come first on the path."""
    run(["chown", "-R", "-h", f"{layout.name}:{layout.name}", code])
    venv = layout.venv(release.venv)
    pythonpath = os.pathsep.join(
        folder.replace(layout.code(release.code), code) for folder in release.manifest["pythonpath"]
    )
    settings = {
        "PATH": f"{venv}/bin:{PATH}",
        "HOME": code,
        "VIRTUAL_ENV": venv,
        "PYTHONPATH": pythonpath,
        "FLASK_APP": release.manifest["module"],
    }
    run_each(release.manifest, "build", ["/bin/sh", "-ec"], cwd=code, env=settings, user=layout.name)
