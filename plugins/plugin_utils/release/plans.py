# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan: what the planning step of a release hands to the steps after it, through the play's variables. It holds no secret.

``began`` is in seconds since the epoch. An app's entry has its name, ``renamed_from`` (what it is called on the host still, or None), ``before`` and
``activation`` (each a release with a number), ``keep`` (releases), ``why`` (it is released), ``back`` (whether this is a rollback), ``opens``
(whether it ends a maintenance), ``hooks`` (their names), ``code`` (its digest), ``hook_key`` (what hooks
are run for), ``host`` (the name it answers to) and ``scheme``.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from ansible_collections.emperor.flask.plugins.plugin_utils.release.rendered import Rendered

Result = dict[str, Any]
VARIABLE = "__flask_app_plan"  # where the role's tasks register it
FINISHED = "__flask_app_finished"  # and what the last step has returned
HOOKED = "__flask_app_hooked"  # and what servers have answered that the run leaves out
REVERTED = "__flask_app_reverted"  # and what taking it back has returned
SWITCHED = ("__flask_app_switched", "__flask_app_canaries_switched")
REGISTERED = (
    VARIABLE,
    "__flask_app_taken_over",
    "__flask_app_hooks",
    "__flask_app_candidates",
    "__flask_app_canaries_switched",
    "__flask_app_watched",
    "__flask_app_switched",
)  # and each step until the switch


def empty() -> Result:
    """Nothing to do."""
    return {"began": 0, "apps": []}


def of_releases(
    began: float, releases: list[Rendered], seen: Result, staged: Result, opens: Collection[str] = ()
) -> Result:
    """Apps that are released; those a failure kept from being staged are in it too, for there may be something to revert.

    ``opens`` are the names of those whose maintenance ends with the release.
    """
    apps = []
    for release in releases:
        name = release.app["name"]
        new = (
            seen[name]["release"] != release.identity
        )  # not so where only a secret changed, or something was to be healed
        apps.append(
            {
                "name": name,
                "renamed_from": seen[name]["renamed_from"],
                "before": seen[name]["activation"],
                "activation": None,
                "code": release.stage.code,
                "hook_key": release.hook_key,
                "host": release.host,
                "scheme": release.scheme,
                "keep": release.app["keep_releases"],
                "back": False,
                "opens": name in opens,
                "why": release.why(seen[name]),
                "hooks": [when for when, commands in release.app["hooks"].items() if commands and new],
                **staged.get(name, {}),
            }
        )
    return {"began": began, "apps": apps}


def of_rollback(began: float, name: str, staged: Result) -> Result:
    """An app that goes back; a rollback keeps all releases and runs no hook. After a failure there is its lock to free."""
    app: Result = {
        "name": name,
        "renamed_from": None,
        "before": None,
        "activation": None,
        "code": None,
        "hook_key": None,
        "host": "",
        "scheme": "",
        "keep": None,
        "hooks": [],
        "why": "the rollback",
    }
    return {"began": began, "apps": [{**app, "back": True, "opens": False, **staged.get(name, {})}]}


def closing(releases: list[Rendered], seen: Result) -> dict[str, bool]:
    """The apps that are to be closed for maintenance (True) or opened (False), and are not yet; one that says nothing stays as it is."""
    wanted = {release.app["name"]: release.app["maintenance"] for release in releases}
    return {name: closed for name, closed in wanted.items() if closed is not None and closed != seen[name]["closed"]}


def closing_diff(name: str, closed: bool) -> dict[str, str]:
    """What changes for an app that is closed or opened, as Ansible's diff shows it."""
    header, texts = f"{name}: maintenance", ("off\n", "on\n")
    return {"before_header": header, "after_header": header, "before": texts[not closed], "after": texts[closed]}


def is_level(variables: Result, servers: list[str], host: str) -> bool:
    """Tell whether this run has brought a host level with the other servers: its apps were compared, and those that differed released to the end.

    An app that failed was put back everywhere: where all servers had the same of it before, or nothing, they still do.
    """
    known = variables["hostvars"][host]
    found, finished = (known.get(variable) or {} for variable in (VARIABLE, FINISHED))
    ended = "report" in finished and not any(finished.get(key) for key in ("failed", "unreachable"))
    ended = ended and all(_is_alike(variables, servers, app) for app in finished.get("failures") or ())
    return bool(found.get("level")) and not found.get("failed") and (ended or not found["plan"]["apps"])


def _is_alike(variables: Result, servers: list[str], app: str) -> bool:
    """Tell whether each server has said what it had of an app before this run, and all the same."""
    lines = [line for host in servers for line in variables["hostvars"][host].get(VARIABLE, {}).get("releases") or []]
    had = [line["before"] for line in lines if line["app"] == app]
    return len(had) == len(servers) and len(set(had)) == 1


def leads(variables: Result, name: str) -> bool:
    """Tell whether this host is the first of the play that releases an app: it runs the hooks for the whole fleet."""
    for host in variables["ansible_play_hosts_all"]:
        plan = variables["hostvars"][host].get(VARIABLE, {}).get("plan") or empty()
        if any(app["name"] == name for app in plan["apps"]):
            return bool(host == variables["inventory_hostname"])
    return False


def hooked_before(variables: Result, plan: Result) -> set[str]:
    """The apps whose hooks before the switch were run already, in a run with another ``--limit``: by a server that this one leaves out, or finds level."""
    ran: dict[str, set[str]] = {}
    for answer in variables.get(HOOKED, {}).get("results", []):
        for name, said in answer.get("by_app", {}).items():
            ran.setdefault(name, set()).add(said["hook_key"])
    for host in variables["ansible_play_hosts_all"]:
        for line_ in variables["hostvars"][host].get(VARIABLE, {}).get("releases") or []:
            if not line_["changed"]:
                ran.setdefault(line_["app"], set()).add(line_["hook_key"])
    return {app["name"] for app in plan["apps"] if app["hook_key"] in ran.get(app["name"], ())}


def doubtful(variables: Result) -> list[str]:
    """The servers that were told to switch, in a run that takes its release back, and that have not said that they went back.

    With ``serial``, those of earlier batches have ended their release, and keep it.
    """
    found = []
    for host in variables["ansible_play_hosts_all"]:
        known = variables["hostvars"][host]
        told = any(one in known and not known[one].get("skipped") for one in SWITCHED)
        plan, finished = known.get(VARIABLE, {}).get("plan") or empty(), known.get(FINISHED) or {}
        ended = "report" in finished and finished.get("began") == plan["began"]
        if told and not ended and not known.get(REVERTED, {}).get("reverted"):
            found.append(host)
    return found


def astray(variables: Result, name: str) -> str | None:
    """Say that the servers would go back to different code; None where they would not."""
    codes: dict[str, list[str]] = {}
    for host in variables["ansible_play_hosts"]:
        plan = variables["hostvars"][host].get(VARIABLE, {}).get("plan") or empty()
        for app in plan["apps"]:
            if app["name"] == name and app["activation"]:
                codes.setdefault(app["code"], []).append(f"{host} to {app['activation'].partition('.')[0]}")
    if len(codes) < 2:
        return None
    where = ", ".join(release for releases in codes.values() for release in releases)
    return (
        f"app '{name}': the servers would go back to different code: {where}; name a release that all have with -e release=ID, or "
        f"deploy an older version: -e app={name} -e version=..."
    )


def failures(variables: Result) -> dict[str, str]:
    """What has kept apps from being released so far, by app: on this host, or on another one of the play, which is named."""
    found: dict[str, str] = {}
    mine = variables["inventory_hostname"]
    for host in [mine, *(other for other in variables["ansible_play_hosts_all"] if other != mine)]:
        for variable in REGISTERED:
            for app, said in (variables["hostvars"][host].get(variable, {}).get("failures") or {}).items():
                found.setdefault(app, said if host == mine else f"on {host}: {said}")
    return found


def judged(result: Result, plan: Result, failed: dict[str, str]) -> Result:
    """A step's result: failed where no app of the plan is left to go on with."""
    now = result.get("failures", {})
    left = [app["name"] for app in plan["apps"] if app["name"] not in failed]
    if result.get("failed") or not now or set(left) - now.keys():
        return result
    return {**result, "failed": True, "msg": "\n".join(now.values()), "failures": {}}


def taken_back(failure: str, again: str | None) -> str:
    """What is said in the end of an app that failed where others were released: the whole was told when it failed."""
    if again:
        return f"{_headline(failure)}\nWhat was begun could not be taken away, so run again: {again}"
    return f"{_headline(failure)}\nIt was not switched: what this host served of it before, it serves on."


def line(release: Rendered, seen: Result, changed: bool) -> Result:
    """What a result says of an app."""
    return {
        "app": release.app["name"],
        "before": seen["release"],
        "release": release.identity,
        "hook_key": release.hook_key,
        "changed": changed,
        "origin": str(release.stage),
    }


def report(app: Result, plan: Result, host: str) -> str:
    """A line for people: app, host, old release, new release (or why the same one was started anew), seconds, URL."""
    old, new = ((app[key] or "nothing").partition(".")[0] for key in ("before", "activation"))
    name = host if app["host"] == "localhost" else app["host"]
    what = f"{old} -> {new}" if old != new else f"{new} anew, for {app['why']},"
    return f"{app['name']} on {host}: {what} in {time.time() - plan['began']:.1f} s, {app['scheme']}://{name}/"


def report_lines(app: Result, plan: Result, host: str, finishing: list[str]) -> list[str]:
    """The line of an app, and a line for each old release of which workers still finish their jobs."""
    return [report(app, plan, host), *(f"{app['name']} on {host}: {line}" for line in finishing)]


def told(
    host: str,
    gone: Iterable[str],
    closing: dict[str, bool],
    renamed: dict[str, str],
    would: dict[str, str] | None = None,
) -> list[str]:
    """Lines for people of what is done beside releases; ``renamed`` are old names by new ones.

    ``would`` is check mode: the apps that it would release, and why.
    """
    may = "" if would is None else "would be "
    becomes = "becomes" if would is None else "would become"
    states = {True: "closed for maintenance", False: "opened"}
    return [
        *(f"{old} on {host}: {becomes} {name}" for name, old in renamed.items()),
        *(f"{name} on {host}: {may}taken away" for name in gone),
        *(f"{name} on {host}: {may}{states[closed]}" for name, closed in closing.items()),
        *(f"{name} on {host}: {may}released: {why}" for name, why in (would or {}).items()),
    ]


def kept(host: str, removed: Result) -> list[str]:
    """Lines for people of where the shared files of apps that are gone are, and how they come back."""
    return [
        f"{name} on {host}: what it had in shared is in {result['archive']}; with the app there again, this restores it: "
        f"sudo flask-app {name} tar --extract --gzip --directory /var/www/{name}/shared <{result['archive']}"
        for name, result in removed.items()
        if result["archive"]
    ]


def reverted(result: Result, variables: Result) -> Result:
    """The failure that made a play revert, told last, where people look for it."""
    first = _headline(variables.get("ansible_failed_result", {}).get("msg") or "another host failed")
    said = f"{first}\nNothing was switched: what this host served before, it serves on."
    if result.get("failed"):
        said = f"{first}\nWhat was begun could not be taken away, so run again: {result['msg']}"
    return {"failed": True, "changed": False, "msg": said, "reverted": not result.get("failed")}


def _headline(said: str) -> str:
    """The first line of a failure, with the next where that only leads to it: the whole was told when it failed."""
    first, _unused, rest = said.partition("\n")
    return f"{first} {rest.splitlines()[0].strip()}" if first.endswith(":") and rest.strip() else first
