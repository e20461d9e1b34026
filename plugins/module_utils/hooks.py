# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run an app's own commands with its user, code, packages, environment and secrets, before it is live."""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils import vassal
from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout

# Only positional parameters are used once the app's variables are read: an app may call a variable anything.
SHELL = """
umask 027
. "$1" && . "$2" || exit 1
export PATH="$3/bin:$PATH" VIRTUAL_ENV="$3" PYTHONPATH="$4${PYTHONPATH:+:$PYTHONPATH}"
exec /bin/sh -ec "$5"
"""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_hooks(layout: Layout, activation: vassal.Activation, manifest: dict, when: str) -> list[str]:
    """Run an activation's hooks one after the other in its code; return what they printed. The first that fails ends it with Refusal."""
    folder = layout.release(activation.release)
    code, venv = layout.code(manifest["code"]), layout.venv(manifest["venv"])
    files = [os.path.join(folder, "env"), vassal.secrets(layout, activation.number)]
    shell = ["/bin/sh", "-c", SHELL, "hook", *files, venv, ":".join(manifest["pythonpath"])]
    return run_each(manifest, when, shell, cwd=code, env={"PATH": PATH, "HOME": layout.home}, user=layout.name)


def run_each(manifest: dict, when: str, shell: list[str], cwd: str, env: dict[str, str], user: str) -> list[str]:
    """Give a release's commands to a shell, one after the other; return what they printed, or raise Refusal for the first that fails."""
    printed = []
    for command in manifest["hooks"][when]:
        try:
            printed.append(run([*shell, command], cwd=cwd, env=env, user=user))
        except CommandFailed as error:
            raise Refusal(
                f"the {when} hook '{command}' ended with {error.code}; nobody can answer it a question. "
                f"The end of its output:\n{tail(error.output)}"
            ) from error
    return printed
