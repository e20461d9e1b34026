#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring apps' releases to life on a host, step by step."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release
short_description: Bring apps' releases to life, step by step
description:
  - A release is everything of an app but its secrets, named by a digest. It gets to life in steps, each for all apps of a host in one
    round trip, so that a play over many hosts waits between two steps and no host switches before the candidates of all are healthy.
  - Each step can be repeated. A step that fails changes nothing that serves; C(revert) then takes away what was staged and started, on every host.
author: emperor.flask maintainers
options:
  step:
    description:
      - C(stage) compares every entry of C(flask_apps) with what is live. Apps that differ get their Unix user and folders, their code and
        virtual environment (once per content), the release's folder, and the app's lock. Nothing is done for an app that serves its
        release, with these secrets, healthy. Apps whose C(state) is C(absent) are taken away.
      - C(rollback) stages and starts O(release) of O(app) instead, which is on the host already, with the secrets of today.
      - C(before_switch) and C(after_switch) run the hooks of that name, for each app on the first host that releases it.
      - C(candidate) starts a vassal beside the live one, on a socket of its own, and waits until it answers the health request.
      - C(switch) renames the link to the socket, and reloads nginx if the app's site changed.
      - C(retire) lets the old vassals finish their requests and go, removes what C(keep_releases) does not keep, and frees the lock.
      - C(maintenance) closes O(app) or opens it, as O(state) says, whether a release is under way or not. Nothing is reloaded.
      - C(revert) puts everything back after a failure, and always fails, with the first failure's message.
    type: str
    choices: [stage, rollback, before_switch, candidate, switch, after_switch, retire, maintenance, revert]
    required: true
  host:
    description: Host as M(emperor.flask.validate) returns it; for C(stage).
    type: dict
  plan:
    description: What C(stage) or C(rollback) returned; for the steps after it.
    type: dict
  app:
    description: Name of the app; for C(rollback) and C(maintenance).
    type: str
  release:
    description: Release to go back to; for C(rollback). Empty, the one that was deployed before the live one.
    type: str
  state:
    description: Whether the app is closed for maintenance; for C(maintenance).
    type: str
    choices: ["on", "off"]
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: "Shows environment and both configurations of a release; secrets never appear."}
"""

EXAMPLES = r"""
- name: Stage the releases that differ from what is live
  emperor.flask.release:
    step: stage
    host: "{{ __flask_app_input.host }}"
  register: __flask_app_plan

- name: Start each beside the live one and wait until it is healthy
  emperor.flask.release:
    step: candidate
    plan: "{{ __flask_app_plan.plan }}"
  when: __flask_app_plan.plan.apps | length > 0
"""

RETURN = r"""
releases:
  description: "For each app: the app's name, the release before, the release now, and whether it changed. From C(stage) and C(rollback)."
  type: list
  elements: dict
  returned: success
failures:
  description: What kept an app from the step, by its name. The others go on, and those that failed are left as they were on every host.
  type: dict
  returned: where an app failed and another did not
plan:
  description: What the following steps need; its C(apps) are those that change.
  type: dict
  returned: success of stage and rollback; after a failure C(revert) knows it without being told
hooks:
  description: What the hooks of each app printed.
  type: dict
  returned: from before_switch and after_switch
report:
  description: "A line per app: its name, old release, new release, seconds since the play staged it, URL."
  type: list
  elements: str
  returned: from retire
"""

from contextlib import ExitStack
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.release.step_declarations import (
    BEGINS,
    ENDS,
    ITEM,
    STEPS,
    UNLOCKED,
)
from ansible_collections.emperor.flask.plugins.module_utils.release.steps import App
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation


def main() -> None:
    """Do one step for all apps. An error is one app's: ``failures`` has it by name, and the others are done nevertheless."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": list(STEPS), "required": True},
            "apps": {"type": "list", "elements": "dict", "required": True, "options": ITEM},
            "owner": {"type": "dict", "required": True},
            "dead": {"type": "list", "elements": "str", "default": []},  # tokens of owners that do not run any more
            # By app. At the top level, where Ansible keeps it out of the host's journal too.
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    step, apps = module.params["step"], module.params["apps"]
    if module.check_mode and step != "look":
        module.exit_json(changed=_would_change(step, apps), by_app={})
    declared = STEPS[step]
    results: dict = {}
    failures: dict[str, str] = {}
    try:
        with ExitStack() as locks:
            held = apps if declared.lock == UNLOCKED else _locked(locks, module.params)
            for item in held:
                try:
                    results[item["name"]] = _take(step, item, module.params["secrets"])
                except (Refusal, OSError) as error:
                    failures[item["name"]] = _text(f"app '{item['name']}': {error}")
            if declared.reloads:
                reloader.load()
            if step == "retire":
                group_change.leave_old_groups()
        for item in held if declared.lock == ENDS else []:
            app_lock.free(_app(item).layout.lock)
    except app_lock.Taken as taken:
        module.fail_json(msg=str(taken), holder=taken.holder)
    except (Refusal, OSError) as error:
        module.fail_json(msg="\n".join([*failures.values(), _text(str(error))]), by_app=results)
    others = {"others": site.names_of_others(list(results))} if step == "look" else {}
    changed = any(results.values()) if declared.returns is bool else not declared.reads
    module.exit_json(changed=changed, by_app=results, failures=failures, **others)


def _take(step: str, item: dict, secrets: dict) -> Any:
    """Take a step with one app: what it takes, as the engine has it."""
    given = {**item, "secrets": secrets.get(item["name"], "")}
    taken = {key: given[key] for key in STEPS[step].takes}
    if "release" in taken:
        taken["release"] = Release(**taken["release"])
    for key in taken.keys() & {"activation", "before"}:
        taken[key] = Activation.parse(taken[key])
    return getattr(_app(item), step)(**taken)


def _would_change(step: str, apps: list[dict]) -> bool:
    """Tell it for check mode. Every other step is taken only where there is something to do."""
    return step != "maintenance" or any(site.is_closed(_app(item).layout) != item["closed"] for item in apps)


def _locked(locks: ExitStack, params: dict) -> list[dict]:
    """Take the apps' locks for this step; return the apps. What another play holds has nothing of ours to revert.

    Where a step that begins cannot have all, it leaves none behind.
    """
    held: list[dict] = []
    for item in params["apps"]:
        try:
            locks.enter_context(app_lock.held(_app(item).layout.lock, params["owner"], params["dead"]))
        except app_lock.Taken as taken:
            if params["step"] == "revert":
                continue
            if STEPS[params["step"]].lock == BEGINS:
                locks.close()
                for other in held:
                    app_lock.free(_app(other).layout.lock)
            raise app_lock.Taken(f"app '{item['name']}': {taken}", taken.holder) from taken
        held.append(item)
    return held


def _text(said: str) -> str:
    """A name that an app made may be no text; Ansible takes nothing else."""
    return said.encode(errors="backslashreplace").decode()


def _app(item: dict) -> App:
    return App(Layout(item["name"]))


if __name__ == "__main__":
    main()
