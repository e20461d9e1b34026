# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run an app's own commands with its user, code, packages, environment and secrets, in its box."""

from __future__ import annotations

from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations

SHELL = ["/bin/sh", "-ec"]
MOST_SHOWN = 2**16  # characters of a hook's output that go to the controller


def run_hooks(layout: Layout, activation: activations.Activation, manifest: dict[str, Any], when: str) -> list[str]:
    """Run an activation's hooks one after the other in its code; return what they printed. The first that fails ends it with Refusal."""
    code, venv = layout.code(manifest["code"]), layout.venv(manifest["venv"])
    job = jobs.hook(layout, when, str(activation), manifest, code)
    secrets = activations.secrets(layout, activation.number)
    wrapped = box.in_release(layout.release(activation.release), code, venv, manifest["pythonpath"], secrets, SHELL)
    return run_each(job, manifest["hooks"][when], wrapped, when)


def run_each(job: box.Job, commands: list[str], shell: list[str], when: str) -> list[str]:
    """Give commands to a shell, one after the other; return what they printed, or raise Refusal for the first that fails."""
    printed = []
    for command in commands:
        try:
            printed.append(jobs.run_job(job, [*shell, command])[-MOST_SHOWN:])
        except jobs.TimedOut as error:
            key = "build" if when == "build" else "hook"
            raise Refusal(
                f"the {when} hook '{command}' was not done within {job.timeout} seconds, so it was ended; make it faster, or raise "
                f"timeouts.{key}. The end of its output:\n{tail(error.output)}"
            ) from error
        except jobs.Killed as error:
            raise Refusal(
                f"the {when} hook '{command}' failed. {jobs.KILLED} The end of its output:\n{tail(error.output)}"
            ) from error
        except CommandFailed as error:
            raise Refusal(
                f"the {when} hook '{command}' ended with {error.code}; nobody can answer it a question. "
                f"The end of its output:\n{tail(error.output)}"
            ) from error
    return printed
