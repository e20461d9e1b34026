# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code as it is served, where that is not just the source: its build hooks run in it, and links lead to what survives releases."""

from __future__ import annotations

import dataclasses
import os

from ansible_collections.emperor.flask.plugins.module_utils import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.bench import adopt, bench
from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.files import remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.hooks import SHELL, run_each
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.store import Release, fill

# A shared path begins with what the source has there, else as a folder. The app's user makes it: root does not write in an app's folder.
# Under another name first, so that half of it is never taken for all.
BEGIN = """
mkdir -p "${2%/*}"
rm -rf "$2.partial"
if [ -e "$1" ] || [ -L "$1" ]; then cp -R -P "$1" "$2.partial"; else mkdir "$2.partial"; fi
mv -T "$2.partial" "$2"
"""


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
            _share(layout, release, partial, shared)
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
    shell = box.in_release("", code, venv, release.manifest["pythonpath"], "", SHELL)
    run_each(job, release.manifest["hooks"]["build"], shell, "build")


def _share(layout: Layout, release: Release, code: str, path: str) -> None:
    """Put a link in a path's place; raise Refusal where a link on the way there would lead root elsewhere."""
    inside, outside = os.path.join(code, path), os.path.join(layout.shared, path)
    parent = os.path.dirname(os.path.normpath(path))
    if os.path.realpath(os.path.join(code, parent)) != os.path.join(os.path.realpath(code), parent).rstrip("/"):
        raise Refusal(
            f"shared has '{path}', but the source or a build hook has made '{parent}' a link; let it be a folder"
        )
    if not os.path.lexists(outside):
        job = jobs.hook(layout, "share", release.identity, release.manifest, "/")
        try:
            jobs.run_job(job, [*SHELL, BEGIN, "share", inside, outside])
        except CommandFailed as error:
            said = jobs.because(error, release.manifest, "hook")
            raise Refusal(f"the shared path '{path}' cannot be made {outside}: {said}") from error
    remove_tree(inside)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    os.symlink(outside, inside)
