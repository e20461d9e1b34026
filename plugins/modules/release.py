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

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock, removal
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.release.steps import App
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

# What the controller's half sends for each app, not what a user writes: that is in DOCUMENTATION.
APP = {
    "name": {"required": True},
    "python": {},  # of look and stage
    "limits": {"default": ""},  # of look and stage: the text of the slice's unit file
    "release": {"type": "dict"},  # of stage
    "archive": {},  # of wheels and stage
    "wheels": {},  # of wheels: the file to write; of stage: the one to install
    "with_packages": {"type": "list", "elements": "str"},  # of wheels
    "wanted": {},  # of rollback
    "before": {},  # of every step after these: an activation
    "activation": {},
    "keep": {"type": "int"},
    "back": {"type": "bool"},
    "opens": {"type": "bool", "default": False},  # of retire: ends a maintenance
    "closed": {"type": "bool"},  # of maintenance
}

# What each step does with one app; a step's result by app is what the controller gets.
STEPS = {
    "look": lambda app, item, secrets: app.look(item["python"], item["limits"]),
    "stage": lambda app, item, secrets: app.stage(
        Release(**item["release"]),
        item["archive"],
        secrets.get(item["name"], ""),
        item["python"],
        item["limits"],
        item["wheels"],
    ),
    "wheels": lambda app, item, secrets: app.build_wheels(
        Release(**item["release"]),
        item["archive"],
        item["python"],
        item["limits"],
        item["with_packages"],
        item["wheels"],
    ),
    "rollback": lambda app, item, secrets: _go_back(app, item["wanted"]),
    "before_switch": lambda app, item, secrets: app.run_hooks(_activation(item), "before_switch"),
    "candidate": lambda app, item, secrets: app.candidate(_activation(item)),
    "switch": lambda app, item, secrets: app.switch(_activation(item)),
    "after_switch": lambda app, item, secrets: app.run_hooks(_activation(item), "after_switch"),
    "retire": lambda app, item, secrets: app.retire(
        _activation(item), Activation.parse(item["before"]), item["keep"], item["back"], item["opens"]
    ),
    "maintenance": lambda app, item, secrets: app.close(item["closed"]),
    "revert": lambda app, item, secrets: app.revert(
        Activation.parse(item["activation"]), Activation.parse(item["before"])
    ),
    "remove": lambda app, item, secrets: removal.remove_all(app.layout),
}
UNLOCKED = ("look", "after_switch", "maintenance")  # reads; runs when the release is over; must not wait for one
RELOADS = ("switch", "revert")  # once, after all apps
FIRST = ("wheels", "stage", "rollback")  # takes the locks; a step after it finds its own
LAST = ("retire", "revert", "remove")  # frees the locks


def main() -> None:
    """Do one step for all apps. An error is one app's: it names it, and the others are done nevertheless."""
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": list(STEPS), "required": True},
            "apps": {"type": "list", "elements": "dict", "required": True, "options": APP},
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
    results: dict = {}
    failures: list[str] = []
    try:
        with ExitStack() as locks:
            held = apps if step in UNLOCKED else _locked(locks, module.params)
            for item in held:
                try:
                    results[item["name"]] = STEPS[step](_app(item), item, module.params["secrets"])
                except (Refusal, OSError) as error:
                    failures.append(f"app '{item['name']}': {error}")
            if step in RELOADS:
                reloader.load()
            if step == "retire":
                group_change.leave_old_groups()
        for item in held if step in LAST else []:
            app_lock.free(_app(item).layout.lock)
    except app_lock.Taken as taken:
        module.fail_json(msg=str(taken), holder=taken.holder)
    except (Refusal, OSError) as error:
        failures.append(str(error))
    if failures:
        # A name that an app made may be no text; Ansible takes nothing else.
        said = "\n".join(failures).encode(errors="backslashreplace").decode()
        module.fail_json(msg=said, by_app=results)
    others = {"others": site.names_of_others(list(results))} if step == "look" else {}
    module.exit_json(
        changed=any(results.values()) if step == "maintenance" else step != "look", by_app=results, **others
    )


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
            if params["step"] in FIRST:
                locks.close()
                for other in held:
                    app_lock.free(_app(other).layout.lock)
            raise app_lock.Taken(f"app '{item['name']}': {taken}", taken.holder) from taken
        held.append(item)
    return held


def _go_back(app: App, wanted: str | None) -> dict:
    """Stage and start in one round trip: what is on the host already needs no host to wait for another before it starts."""
    plan = app.go_back(wanted)
    app.candidate(_activation(plan))
    return plan


def _app(item: dict) -> App:
    return App(Layout(item["name"]))


def _activation(item: dict) -> Activation:
    found = Activation.parse(item["activation"])
    if found is None:
        raise Refusal(f"'{item['activation']}' is no activation; run again")
    return found


if __name__ == "__main__":
    main()
