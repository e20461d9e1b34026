#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host half of emperor.flask.release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_on_host
short_description: The host half of emperor.flask.release
description:
  - Private. The action M(emperor.flask.release) tells it what to do on a host; no playbook has a use for it, and what it takes changes without notice.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  request:
    description: What is to be done.
    type: dict
    required: true
  secrets:
    description: Secrets of the apps by their names, as files of exports. Apart from the rest, where Ansible keeps them out of the host's journal.
    type: dict
    default: {}
attributes:
  check_mode: {support: full, description: As that of the action.}
  diff_mode: {support: full, description: As that of the action.}
"""

EXAMPLES = r"""
# The action emperor.flask.release calls it.
"""

RETURN = r""" # """

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.warnings import warn
from ansible_collections.emperor.flask.plugins.module_utils.background import handover
from ansible_collections.emperor.flask.plugins.module_utils.host import app_status, audit, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.host.request import requested
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock, preflight
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

# What the action sends.
REQUEST: dict[str, Any] = {
    "step": {"choices": list(STEPS), "required": True},
    "apps": {"type": "list", "elements": "dict", "required": True, "options": ITEM},
    "owner": {"type": "dict", "required": True},
    "dead": {"type": "list", "elements": "str", "default": []},  # tokens of owners that do not run any more
}


def main() -> None:
    """Do one step for all apps. An error is one app's: ``failures`` has it by name, and the others are done nevertheless."""
    module = AnsibleModule(
        argument_spec={
            "request": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    params = requested(module, REQUEST)
    step, apps = params["step"], params["apps"]
    if module.check_mode and step != "look":
        module.exit_json(changed=_would_change(step, apps), by_app={})
    declared = STEPS[step]
    results: dict[str, Any] = {}
    failures: dict[str, str] = {}
    try:
        with ExitStack() as locks:
            held = apps if declared.lock == UNLOCKED else _locked(locks, params)
            if step == "stage":
                needed = {item["name"]: preflight.beside(_app(item).layout) for item in held}
                failures |= {name: f"app '{name}': {why}" for name, why in preflight.without_room(needed).items()}
            units = systemd.states(_units(held)) if "units" in declared.takes else {}
            able = [item for item in held if item["name"] not in failures]
            for item, ended in _take_each(step, able, params["secrets"], units):
                try:
                    results[item["name"]] = ended()
                except (Refusal, OSError) as error:
                    failures[item["name"]] = _text(f"app '{item['name']}': {error}")
            if declared.reloads:
                reloader.load()
            if step == "retire":
                group_change.leave_old_groups()
        for item in held:
            if item["name"] in results:
                _note(step, item, results[item["name"]], params["owner"]["name"])
        for layout in [layout for item in held for layout in _layouts(item)] if declared.lock == ENDS else []:
            app_lock.free(layout.lock)
    except app_lock.Taken as taken:
        module.fail_json(msg=str(taken), holder=taken.holder)
    except (Refusal, OSError) as error:
        module.fail_json(msg="\n".join([*failures.values(), _text(str(error))]), by_app=results)
    ours = [name for item in apps for name in (item["name"], item.get("renamed_from")) if name]
    others = {"others": site.names_of_others(ours), "installed": app_status.names()} if step == "look" else {}
    changed = any(results.values()) if declared.returns is bool else not declared.reads
    module.exit_json(changed=changed, by_app=results, failures=failures, **others)


def _take_each(
    step: str, apps: list[dict[str, Any]], secrets: dict[str, str], units: dict[str, systemd.State]
) -> Iterator[tuple[dict[str, Any], Callable[[], Any]]]:
    """Take a step with each app, beside each other where it is such a step; with each app comes what returns its result, or raises its error."""
    known = {item["name"]: {"secrets": secrets.get(item["name"], ""), "units": units} for item in apps}
    if not STEPS[step].beside or len(apps) == 1:
        for item in apps:
            yield item, partial(_take, step, item, known[item["name"]])
        return
    # Two for each processor: one computes while another waits.
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        for item, future in [(item, pool.submit(_take, step, item, known[item["name"]])) for item in apps]:
            yield item, future.result


def _take(step: str, item: dict[str, Any], known: dict[str, Any]) -> Any:
    """Take a step with one app: what it takes of its item and of what else is known, as the engine has it."""
    given = {**item, **known}
    taken = {key: given[key] for key in STEPS[step].takes}
    if "release" in taken:
        taken["release"] = Release(**taken["release"])
    for key in taken.keys() & {"activation", "before"}:
        taken[key] = Activation.parse(taken[key])
    return getattr(_app(item), step)(**taken)


def _note(step: str, item: dict[str, Any], result: Any, by: str) -> None:
    """Write down what was done to an app, and by whom. What was done stays done where it cannot be written."""
    more = {}
    if step == "retire":
        what = "rollback" if item.get("back") else "release"
        more = {
            "before": str(item["before"] or "").partition(".")[0],
            "release": str(item["activation"]).partition(".")[0],
            **({} if item.get("back") else {"why": item["why"]}),
        }
    elif step == "maintenance" and result:
        what = "closed" if item["closed"] else "opened"
    elif step == "remove":
        what = "removed"
        more = {"archive": result["archive"]} if result["archive"] else {}
    else:
        return
    try:
        if step == "retire" and item.get("renamed_from"):
            audit.note(item["name"], "renamed", by, before=item["renamed_from"])
        audit.note(item["name"], what, by, **more)
    except OSError as error:
        warn(f"app '{item['name']}': that it was {what} is not in {audit.FILE}: {error}")


def _units(apps: list[dict[str, Any]]) -> list[str]:
    """The apps' units whose state a look asks for, at once for all."""
    layouts = [_app(item).layout for item in apps]
    return [unit for layout in layouts for unit in (layout.unit, *handover.units(layout))]


def _would_change(step: str, apps: list[dict[str, Any]]) -> bool:
    """Tell it for check mode. A step that changes something is taken only where there is something to do, but for this one."""
    if STEPS[step].reads:
        return False
    return step != "maintenance" or any(site.is_closed(_app(item).layout) != item["closed"] for item in apps)


def _locked(locks: ExitStack, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Take the apps' locks for this step; return the apps. What another play holds has nothing of ours to revert.

    Where a step that begins cannot have all, it leaves none behind.
    """
    held: list[dict[str, Any]] = []
    ours: list[str] = []
    for item in params["apps"]:
        with ExitStack() as own:
            first = len(ours)
            try:
                for layout in _layouts(item):
                    own.enter_context(_held(layout, params))
                    ours.append(layout.lock)
            except app_lock.Taken:
                own.close()
                if params["step"] == "revert":
                    for lock in ours[first:]:
                        app_lock.free(lock)
                    continue
                if STEPS[params["step"]].lock == BEGINS:
                    locks.close()
                    for lock in ours:
                        app_lock.free(lock)
                raise
            locks.push(own.pop_all())
        held.append(item)
    return held


@contextmanager
def _held(layout: Layout, params: dict[str, Any]) -> Iterator[None]:
    """Hold an app's lock; that it is taken says which app's."""
    with ExitStack() as lock:
        try:
            lock.enter_context(app_lock.held(layout.lock, params["owner"], params["dead"]))
        except app_lock.Taken as taken:
            raise app_lock.Taken(f"app '{layout.name}': {taken}", taken.holder) from taken
        yield


def _text(said: str) -> str:
    """A name that an app made may be no text; Ansible takes nothing else."""
    return said.encode(errors="backslashreplace").decode()


def _app(item: dict[str, Any]) -> App:
    old = item.get("renamed_from")
    return App(Layout(item["name"]), Layout(old) if old else None)


def _layouts(item: dict[str, Any]) -> list[Layout]:
    """The app, and the one that it was until now."""
    app = _app(item)
    return [layout for layout in (app.layout, app.old) if layout]


if __name__ == "__main__":
    main()
