# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tell others of a release, a rollback or a failure: a message to a chat, or JSON to a program. It never fails a release."""

from __future__ import annotations

import json
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, plans

Result = dict[str, Any]
TIMEOUT = 10  # seconds that a receiver may take
STEPS = ("retire", "revert")  # after which a release is over


def of_step(step: str, plan: Result, result: Result, variables: Result) -> Result | None:
    """What is to be told after a step, by one host for all; nothing after most steps, and nothing by the others."""
    everywhere, host = variables["ansible_play_hosts_all"], variables["inventory_hostname"]
    apps = plan["apps"] if step == "retire" else []
    tells = host == everywhere[0] if step == "revert" else apps and plans.leads(variables, apps[0]["name"])
    if step not in STEPS or not tells:
        return None
    failures = [result["msg"]] if result.get("failed") else list(result.get("failures", {}).values())
    done = [app for app in apps if not result.get("failed") and app["name"] not in result.get("failures", {})]
    return {
        "event": "failed" if failures else "rolled back" if done[0]["back"] else "released",
        "by": lock_owner.current()["name"],
        "host": host,
        "hosts": len(everywhere),
        "apps": [
            {"app": app["name"], "before": _release(app["before"]), "release": _release(app["activation"])}
            for app in done
        ],
        "failures": list(map(str, failures)),
    }


def text(event: Result) -> str:
    """An event for people."""
    hosts = f"{event['host']} and {event['hosts'] - 1} more" if event["hosts"] > 1 else event["host"]
    verb = "rolled back" if event["event"] == "rolled back" else "released"
    lines = [
        f"{app['app']} on {hosts}: {app['before']} -> {app['release']}, {verb} by {event['by']}"
        for app in event["apps"]
    ]
    return "\n".join([*lines, *(f"A release by {event['by']} failed on {hosts}: {said}" for said in event["failures"])])


def send(receivers: list[Result], event: Result) -> list[str]:
    """Send an event to all receivers at once; return a sentence for each that did not take it. An address may be a secret: only its host is named.

    One whose answer drips is left behind when its time is over: a timeout of a connection is one of each piece.
    """
    answers: list[str | None] = [f"no answer within {TIMEOUT} seconds"] * len(receivers)

    def tell(index: int) -> None:
        answers[index] = _refusal(receivers[index], event)

    threads = [threading.Thread(target=tell, args=[index], daemon=True) for index in range(len(receivers))]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + TIMEOUT
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    return [
        f"flask_app_notify: {urlsplit(str(receiver['url'])).hostname} was not told of it ({why}); the release itself is not affected"
        for receiver, why in zip(receivers, list(answers))
        if why
    ]


def _refusal(receiver: Result, event: Result) -> str | None:
    """Send an event; return why it was not taken."""
    body = {"text": text(event)} if receiver.get("format") == "slack" else event
    headers = {"Content-Type": "application/json"}
    try:
        open_url(receiver["url"], data=json.dumps(body), headers=headers, method="POST", timeout=TIMEOUT)
    except Exception as error:  # whatever a server or a network does, the release is done
        return f"{error.code}" if hasattr(error, "code") else type(error).__name__
    return None


def _release(activation: str | None) -> str:
    return (activation or "nothing").partition(".")[0]
