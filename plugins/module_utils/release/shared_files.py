# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What survives releases: a link in the release leads to it, and it begins with what the release brings."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host import jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.hooks import SHELL

# A shared path begins with what the source has there, else as a folder. The app's user makes it: root does not write in an app's folder.
# Under another name first, so that half of it is never taken for all.
BEGIN = """
mkdir -p "${2%/*}"
rm -rf "$2.partial"
if [ -e "$1" ] || [ -L "$1" ]; then cp -R -P "$1" "$2.partial"; else mkdir "$2.partial"; fi
mv -T "$2.partial" "$2"
"""


def share(layout: Layout, identity: str, manifest: dict[str, Any], folder: str, path: str) -> None:
    """Put a link in a path's place in the code or the packages of a release; raise Refusal where a link on the way there leads root elsewhere."""
    inside, outside = os.path.join(folder, path), os.path.join(layout.shared, path)
    parent = os.path.dirname(os.path.normpath(path))
    if os.path.realpath(os.path.join(folder, parent)) != os.path.join(os.path.realpath(folder), parent).rstrip("/"):
        raise Refusal(
            f"shared has '{path}', but the source or a build hook has made '{parent}' a link; let it be a folder"
        )
    begin(layout, identity, manifest, inside, path)
    remove_tree(inside)
    os.makedirs(os.path.dirname(inside), exist_ok=True)
    os.symlink(outside, inside)


def begin(layout: Layout, identity: str, manifest: dict[str, Any], source: str, path: str) -> None:
    """Make a shared path, unless it is there, with what ``source`` has, or as a folder where there is no such thing."""
    outside = os.path.join(layout.shared, path)
    if os.path.lexists(outside):
        return
    job = jobs.hook(layout, "share", identity, manifest, "/")
    try:
        jobs.run_job(job, [*SHELL, BEGIN, "share", source, outside])
    except CommandFailed as error:
        said = jobs.because(error, manifest, "hook")
        raise Refusal(f"the shared path '{path}' cannot be made {outside}: {said}") from error
