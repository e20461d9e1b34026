# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.release: plans what changes, sends what a host does not have, hands the plan from step to step."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.step_declarations import STEPS
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import limits, renaming, server_names
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import fleet
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import Templates
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import wheels
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages, notifications, plans
from ansible_collections.emperor.flask.plugins.plugin_utils.release.code_and_packages import Stage
from ansible_collections.emperor.flask.plugins.plugin_utils.release.rendered import Rendered
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache, default_cache

Result = dict[str, Any]
MODULE = "emperor.flask.release_on_host"
PYTHON = "/usr/bin/python3"  # for apps whose entry does not say, because they go away
OURS = ("look", "wheels", "remove")  # steps that no task names

display = Display()


class ActionModule(ActionBase):
    """Plan, or take the next step of a plan."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result; from the planning steps a plan, a diff and a line per app."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._inventory = Inventory(self, self._vars)
        self._templates = Templates(self, self._vars)
        self._began = time.time()
        _unused, self._arguments = self.validate_argument_spec(
            {
                "step": {"choices": ["complete", *(step for step in STEPS if step not in OURS)], "required": True},
                "host": {"type": "dict"},
                "plan": {"type": "dict"},
                "app": {"type": "str"},
                "release": {"type": "str"},
                "state": {"type": "str"},
                "seconds": {"type": "int"},
            }
        )
        step = self._arguments["step"]
        if step in ("rollback", "maintenance") and (misspelt := self._inventory.misspelt()):
            raise AnsibleActionFail("\n".join(misspelt))
        planned = {
            "complete": self._complete,
            "stage": self._stage,
            "rollback": self._rollback,
            "maintenance": self._maintenance,
            "hooked": self._hooked,
        }
        result = planned[step]() if step in planned else self._follow(step, self._arguments["plan"] or self._put_away())
        if result.get("failed"):
            result.pop("by_app", None)  # a plan has what counts of it
            with contextlib.suppress(Refusal):  # a full disk: then it is shown
                self._put_away(result.get("plan"))
                result.pop("plan", None)
            result.pop("releases", None)  # of those that were not to be
        says = result.get("failed") or result.get("hooks") or result.get("failures")
        result = messages.of(result, self._inventory.secrets()) if says else result
        self._notify(step, result)
        told_in_the_end = step == "retire"  # and what failed before it has been told whole
        for failure in [] if told_in_the_end else result.get("failures", {}).values():
            display.display(failure, color=constants.COLOR_ERROR)  # type: ignore[attr-defined]  # made when it is imported
        return result

    def _notify(self, step: str, result: Result) -> None:
        """Tell others what became of a release."""
        receivers = self._inventory.value("flask_app_notify", []) if step in notifications.STEPS else []
        event = (
            notifications.of_step(step, self._arguments["plan"] or plans.empty(), result, self._vars)
            if receivers
            else None
        )
        for sentence in notifications.send(receivers, event) if event else []:
            display.warning(sentence)

    def _put_away(self, plan: Result | None = None) -> Result:
        """Exchange the plan of a step that failed for the one before: only ``revert`` reads it, and it is not for people, who are shown a result."""
        cache, key = Cache.default(), f"plan-{self._vars['inventory_hostname']}"
        before = cache.remembered(key)
        cache.remember(key, json.dumps(plan or plans.empty()))
        return json.loads(before) if before else plans.empty()

    def _stage(self) -> Result:
        """Compare all apps with what is live; stage those that differ, take away those that are to be absent."""
        apps, mistakes = self._inventory.apps()
        mistakes += fleet.apart(self._vars) if fleet.looks_for_all(self._vars) else []
        mistakes += fleet.too_few(self._vars, self._inventory.value(fleet.LEAST))
        if mistakes:
            raise AnsibleActionFail(messages.visible("\n".join(mistakes)))
        slices = {app["name"]: self._slice(app) for app in apps}
        looked = self._module(
            "look",
            [
                {
                    "name": app["name"],
                    "renamed_from": renaming.old_name(app),
                    "python": app.get("python", PYTHON),
                    "limits": slices[app["name"]],
                }
                for app in apps
            ],
        )
        if looked.get("failed"):
            return looked
        seen = looked["by_app"]
        releases = [self._rendered(app, seen[app["name"]]) for app in apps if app["state"] == "present"]
        taken = [server_names.taken(release.app, looked["others"]) for release in releases]
        if any(taken):
            raise AnsibleActionFail(
                messages.visible("\n".join(["Nothing was changed, because:", *filter(None, taken)]))
            )
        changed = [release for release in releases if not release.is_live(seen[release.app["name"]])]
        absent = [app for app in apps if app["state"] == "absent" and seen[app["name"]]["exists"]]
        gone = {app["name"]: app.get("keep_shared", True) for app in absent}
        gone |= dict.fromkeys(self._unlisted(looked["installed"]), True)
        closing = plans.closing(releases, seen)
        renamed = {name: one["renamed_from"] for name, one in seen.items() if one["renamed_from"]}
        host = self._vars["inventory_hostname"]
        opens_last = {release.app["name"] for release in changed if closing.get(release.app["name"]) is False}
        result: Result = {
            "changed": bool(changed or gone or closing),
            "diff": [
                *(part for release in changed for part in release.diff(seen[release.app["name"]])),
                *(plans.closing_diff(name, closed) for name, closed in closing.items()),
            ],
            "releases": [plans.line(release, seen[release.app["name"]], release in changed) for release in releases],
            "told": plans.told(host, gone, closing, renamed),
            "plan": plans.empty(),
            "level": not self._inventory.value("flask_app_only"),
        }
        if self._task.check_mode:
            would = {release.app["name"]: release.why(seen[release.app["name"]]) for release in changed}
            return {**result, "told": plans.told(host, gone, closing, renamed, would)}
        if gone:
            removed = self._module("remove", [{"name": name, "keep_shared": keep} for name, keep in gone.items()])
            if removed.get("failed"):
                return {**result, **removed}
            for line in plans.kept(host, removed["by_app"]):
                display.display(line)
        at_once = [{"name": name, "closed": closed} for name, closed in closing.items() if name not in opens_last]
        if not changed:
            return {**result, **self._close(at_once)}
        for release in changed:
            display.display(f"app '{release.app['name']}': {release.stage}")
        items = [{"name": release.app["name"], "python": release.app["python"]} for release in changed]
        for item, release in zip(items, changed):
            item["renamed_from"] = renamed.get(item["name"])
            item["limits"] = slices[item["name"]]
            item["release"] = release.request()
            if not {release.stage.code, release.stage.digest} & set(seen[item["name"]]["codes"]):
                item["archive"] = self._send(release)
        unbuilt = self._wheels(items, changed, seen)
        ready = [item for item in items if item["name"] not in unbuilt]
        secrets = {release.app["name"]: release.secrets for release in changed}
        staged = self._for_each("stage", ready, secrets) if ready else {}
        staged["failures"] = {**unbuilt, **staged.get("failures", {})}
        plan = plans.of_releases(self._began, changed, seen, staged.get("by_app", {}), opens_last)
        # A new app has its folder only now. What is to be opened again and released too, opens when it is released.
        closed = {} if staged.get("failed") else self._close(at_once)
        return plans.judged({**result, **staged, **closed, "changed": True, "plan": plan}, plan, {})

    def _unlisted(self, installed: list[str]) -> list[str]:
        """The apps that are on the host and in the inventory no longer, where it says that these go: ``flask_app_prune``."""
        if not self._inventory.flag("flask_app_prune") or self._inventory.value("flask_app_only"):
            return []
        listed = [*self._inventory.names(), *self._inventory.old_names()]
        unlisted = [name for name in installed if name not in listed]
        if 2 * len(unlisted) > len(installed) and not self._inventory.flag("flask_app_prune_confirm"):
            raise AnsibleActionFail(
                f"Nothing was changed, because flask_app_prune would take away {len(unlisted)} of the {len(installed)} apps of this host: "
                f"{', '.join(unlisted)}. "
                "If the inventory is the right one, say so with -e flask_app_prune_confirm=true"
            )
        return unlisted

    def _wheels(self, items: list[Result], releases: list[Rendered], seen: Result) -> dict[str, str]:
        """Have the wheels of all where there are other hosts, else of those whose build needs packages of its own; return what failed, by app."""
        failures = {}
        alone = len(self._inventory.fleet.servers) <= 1
        for item, release in zip(items, releases):
            installs = item["release"]["packages"]["installs"]
            if (
                installs
                and (release.app["build_packages"] or not alone)
                and release.stage.venv not in seen[item["name"]]["venvs"]
            ):
                try:
                    self._have_wheels(item, release, seen[item["name"]])
                except Refusal as refusal:
                    failures[item["name"]] = messages.visible(f"app '{item['name']}': {refusal}")
                except AnsibleActionFail as failure:
                    failures[item["name"]] = str(failure)
        return failures

    def _have_wheels(self, item: Result, release: Rendered, seen: Result) -> None:
        """Take them from the cache, or build them on this host for all of its kind; the others wait meanwhile."""
        name, host = item["name"], self._vars["inventory_hostname"]
        place = wheels.slot_of_app(default_cache(), name, release.stage.venv, f"{seen['kind']}-python{seen['python']}")
        remote = self._remote(f"{name}-wheels.tar")
        with place.claimed(host, lambda builder: display.v(f"{host}: waits for {builder}, which builds wheels")):
            kept = place.usable(display.warning)
            if kept is None:
                display.display(f"app '{name}': its wheels are built on {host}, for all hosts of its kind")
                built = self._module(
                    "wheels", [{**item, "wheels": remote, "with_packages": release.app["build_packages"]}]
                )
                if built.get("failed"):
                    raise AnsibleActionFail(built["msg"])
                kept = wheels.Wheel("wheels.tar", built["by_app"][name]["sha256"], built_on=host)
                place.keep(kept, lambda local: self._connection.fetch_file(remote, local))
            else:
                self._transfer_file(str(place.path(kept)), remote)
        item["wheels"] = remote

    def _close(self, apps: list[Result]) -> Result:
        """Close apps for maintenance or open them, at once; return what failed."""
        result = self._module("maintenance", apps) if apps else {}
        return result if result.get("failed") else {}

    def _complete(self) -> Result:
        """Fail where what one host has found concerns all, or servers are away that have to take part: the play has asked each for something by now."""
        missing = fleet.too_few(self._vars, self._inventory.value(fleet.LEAST))
        if mistakes := [*fleet.concerning_all(self._vars), *missing]:
            raise AnsibleActionFail("\n".join(mistakes))
        return {"changed": False}

    def _maintenance(self) -> Result:
        """Close an app or open it. Nothing but its name and the host's folder counts: in need nobody waits for a source."""
        state = self._arguments["state"]
        if state not in ("on", "off"):
            raise AnsibleActionFail(
                f"state is '{state or ''}'; say -e state=on to close the app, or -e state=off to open it"
            )
        return self._module("maintenance", [{"name": self._named(), "closed": state == "on"}])

    def _rollback(self) -> Result:
        """Stage a release that is on the host already. All it needs of the inventory is the app's name."""
        name = self._named()
        self._complete()
        if self._task.check_mode:
            return {"changed": True, "plan": plans.empty()}
        staged = self._module("rollback", [{"name": name, "wanted": self._arguments["release"] or None}])
        return {**staged, "plan": plans.of_rollback(self._began, name, staged.get("by_app", {}))}

    def _hooked(self) -> Result:
        """Ask a server that is not in this run what the hooks of its releases were run for."""
        names = [app["name"] for app in self._inventory.apps(with_source=False)[0] if app["state"] == "present"]
        return self._module("hooked", [{"name": name} for name in names]) if names else {"changed": False}

    def _named(self) -> str:
        """The app that the task names."""
        return self._inventory.named(self._arguments["app"])

    def _follow(self, step: str, plan: Result) -> Result:
        """Take a step with the apps of a plan that have not failed on any host; a hook only where this host is the first to release the app."""
        if step == "revert":
            return plans.reverted(self._module(step, _items(step, plan["apps"])), self._vars)
        failed = plans.failures(self._vars)
        apps = [app for app in plan["apps"] if app["name"] not in failed]
        if step == "watch":
            apps = [{**app, "seconds": self._arguments["seconds"]} for app in apps]
        if step == "take_over":
            apps = [app for app in apps if app["renamed_from"]]
        if step == "switch" and self._inventory.fleet.balancers:
            for said in filter(None, (plans.astray(self._vars, app["name"]) for app in apps if app["back"])):
                raise AnsibleActionFail(said)
        if STEPS[step].hook:
            apps = [app for app in apps if step in app["hooks"] and plans.leads(self._vars, app["name"])]
        if step == "before_switch":
            done = plans.hooked_before(self._vars, plan) if self._inventory.fleet.balancers else set()
            for name in sorted(done & {app["name"] for app in apps}):
                display.display(f"app '{name}': another server has run its hooks for this code and environment")
            apps = [app for app in apps if app["name"] not in done]
        result: Result = self._for_each(step, _items(step, apps)) if apps else {"changed": False}
        if step == "retire" and not result.get("failed"):
            ended = [app for app in apps if app["name"] not in result.get("failures", {})]
            host, finishing = self._vars["inventory_hostname"], result.get("by_app", {})
            result["report"] = [
                line for app in ended for line in plans.report_lines(app, plan, host, finishing.get(app["name"], []))
            ]
            result["began"] = plan["began"]
            result["failures"] = {**result.get("failures", {}), **self._take_back(plan, failed)}
            return plans.judged(result, plan, {})
        if step == "watch":
            for name, said in result.get("by_app", {}).items():
                display.display(f"{name} on {self._vars['inventory_hostname']}: {' '.join(said)}")
        if STEPS[step].hook:
            result["hooks"] = result.pop("by_app", {})
        return plans.judged(result, plan, failed)

    def _take_back(self, plan: Result, failed: dict[str, str]) -> dict[str, str]:
        """Put apps that failed, here or on another host, back as they were; return what is to be said of them."""
        apps = [app for app in plan["apps"] if app["name"] in failed]
        result = self._for_each("revert", _items("revert", apps)) if apps else {}
        if result.get("failed"):
            raise AnsibleActionFail(result["msg"])
        return {app["name"]: plans.taken_back(failed[app["name"]], result["failures"].get(app["name"])) for app in apps}

    def _rendered(self, app: Result, seen: Result) -> Rendered:
        """The app's release for this host. In check mode a host may still lack what the release is built on."""
        name, layout = app["name"], Layout(app["name"])
        if not seen["nginx_group"] and not self._task.check_mode:
            raise AnsibleActionFail(
                f"app '{name}': nginx is not set up on this host; apply the role emperor.flask.nginx first"
            )
        if not seen["uwsgi"] and not self._task.check_mode:
            raise AnsibleActionFail(
                f"app '{name}': there is no uWSGI for Python {seen['python']} on this host; apply the role emperor.flask.uwsgi_emperor first"
            )
        try:
            stage = Stage.read(app, seen["python"])
        except Refusal as refusal:
            raise AnsibleActionFail(messages.visible(f"app '{name}': {refusal}")) from refusal
        code = layout.code(stage.code)
        pythonpath = [str(Path(code, part)) for part in stage.pythonpath]
        variables = {
            "app": app,
            "host": self._arguments["host"],
            "socket": layout.socket,
            "code": code,
            "venv": layout.venv(stage.venv),
            "pythonpath": pythonpath,
            "balanced": self._inventory.fleet.is_behind_balancers,
        }
        uwsgi_ini = self._templates.render(app["vassal_template"] or "uwsgi.ini.j2", **variables)
        nginx_conf = self._templates.render(app["nginx_template"] or "nginx.conf.j2", **variables)
        return Rendered(stage, app, seen["python"], seen["uwsgi"] or "to be built", pythonpath, uwsgi_ini, nginx_conf)

    def _slice(self, app: Result) -> str:
        """The unit file of the app's slice; one that goes away has none."""
        if app["state"] == "absent":
            return ""
        return self._templates.render("slice.j2", app=limits.on_machine(app, self._arguments["host"]))

    def _send(self, release: Rendered) -> str:
        """Carry an app's code over. Ansible takes the folder of the archives away after the task."""
        remote = self._remote(f"{release.app['name']}.tar.gz")
        with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
            local = Path(scratch, "code.tar.gz")
            release.stage.source.archive(local)
            self._transfer_file(str(local), remote)
        return remote

    def _remote(self, name: str) -> str:
        """The path of a file in the task's folder on the host."""
        shell = self._connection._shell
        return str(shell.join_path(shell.tmpdir or self._make_tmp_path(), name))

    def _module(self, step: str, apps: list[Result], secrets: dict[str, str] | None = None) -> Result:
        """Take a step that fails where it fails for one app."""
        result = self._for_each(step, apps, secrets)
        failures = result.pop("failures", {})
        return {**result, "failed": True, "msg": "\n".join(failures.values())} if failures else result

    def _for_each(self, step: str, apps: list[Result], secrets: dict[str, str] | None = None) -> Result:
        """Run the module; again where a lock stands in the way whose owner, a process of this machine, is dead. ``failures`` are by app."""
        arguments = {"step": step, "apps": apps, "owner": lock_owner.current()}
        result: Result = self._execute_module(
            MODULE, module_args={"request": arguments, "secrets": secrets or {}}, task_vars=self._vars
        )
        tokens = []
        while (dead := lock_owner.dead(result.get("holder"))) and dead not in tokens:
            tokens.append(dead)
            again = {"request": {**arguments, "dead": tokens}, "secrets": secrets or {}}
            result = self._execute_module(MODULE, module_args=again, task_vars=self._vars)
        return result


def _items(step: str, apps: list[Result]) -> list[Result]:
    """What the module is told of the apps of a plan: what the step takes."""
    return [{key: app[key] for key in ("name", "renamed_from", "why", *STEPS[step].takes)} for app in apps]
