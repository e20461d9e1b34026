# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code as it is served, where that is not just the source: its build hooks run in it, and links lead to what survives releases."""

from __future__ import annotations

import dataclasses
import os

from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.build_folder import adopt, bench
from ansible_collections.emperor.flask.plugins.module_utils.release.contents import fill
from ansible_collections.emperor.flask.plugins.module_utils.release.hooks import SHELL, run_each
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.release.shared_files import share


def build_code(layout: Layout, release: Release, python: str) -> None:
    """Make the release's code from its source, unless it is there. A failure leaves nothing behind."""
    path = layout.code(release.code)
    if os.path.isdir(path):
        return
    partial, hooks = f"{path}.partial", release.manifest["hooks"]["build"]
    remove_tree(partial)
    try:
        with bench(layout, "code") as (built,):
            job = jobs.build(layout, release.manifest, "/", _sees(layout, release, built))
            fill(job, python, path, layout.code(release.source), compiled=not hooks)
            if hooks:
                _run_hooks(layout, release, job)
                fill(job, python, path, "")
            adopt(built, partial)
        for shared in release.manifest["shared"]:
            if shared not in release.instances:
                share(layout, release.identity, release.manifest, partial, shared)
        os.rename(partial, path)
    except CommandFailed as error:
        said = jobs.because(error, release.manifest, "build")
        raise Refusal(f"the code cannot be copied to {path}: {said}") from error
    finally:
        remove_tree(partial)


def _sees(layout: Layout, release: Release, built: str) -> list[str]:
    """What a build sees of the apps' folders: the code that it makes, at its final place, the source and the packages."""
    seen = [layout.code(release.source), layout.venv(release.venv)]
    return [f"BindPaths={built}:{layout.code(release.code)}", *(f"BindReadOnlyPaths={path}" for path in seen)]


def _run_hooks(layout: Layout, release: Release, job: box.Job) -> None:
    """Run the build hooks in the code, without secrets and without what other releases have left in shared paths."""
    code, venv = layout.code(release.code), layout.venv(release.venv)
    variables = [f"Environment=HOME={code}", f"Environment=FLASK_APP={release.manifest['module']}"]
    job = dataclasses.replace(job, folder=code, settings=[*job.settings, *variables])
    given = [f"{name}={value}" for name, value in release.packages.get("environment", {}).items()]
    shell = box.in_release("", code, venv, release.manifest["pythonpath"], "", ["/usr/bin/env", *given, *SHELL])
    run_each(job, release.manifest["hooks"]["build"], shell, "build")
