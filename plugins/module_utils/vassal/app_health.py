# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the apps of a host answer their health requests: what listens need not answer.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..host import app_findings, app_status
from .uwsgi_client import Health, get

PATIENCE = 10  # seconds that an answer may take: it is asked by somebody who waits
BESIDE = 8  # apps that are asked beside each other


def findings(rows: list[dict[str, Any]]) -> list[app_findings.Finding]:
    """Say which of these apps, whose rows app_status has made, do not answer. One that is asleep is not asked: that would wake it."""
    asked = [row["app"] for row in rows if row["web"] == "up" and not row["lock"]]
    with ThreadPoolExecutor(BESIDE) as pool:
        said = dict(zip(asked, pool.map(amiss, asked)))
    return [
        app_findings.finding(
            app,
            "health",
            meaning,
            f"sudo flask-app {app} logs, then ansible-playbook emperor.flask.rollback -e app={app}",
        )
        for app, meaning in said.items()
        if meaning
    ]


def request(app: str, homes: str = app_status.HOMES) -> tuple[str, Health]:
    """The socket of an app's live vassal, and the health request of its live release. Raise OSError, ValueError or KeyError where there is none."""
    home = os.path.join(homes, app)
    with open(f"{home}/current/manifest.json", encoding="utf-8") as stream:
        health = Health.of(app, {"scheme": "http", **json.load(stream)["health"]})
    return os.path.join(home, os.readlink(f"{home}/{app}_uwsgi.sock")), health


def amiss(app: str, homes: str = app_status.HOMES) -> str:
    """What is wrong with an app's answer to the health request of its live release; empty if nothing is."""
    try:
        live, health = request(app, homes)
    except (OSError, ValueError, KeyError) as error:
        return f"its health request is not known ({error})"
    try:
        status, _line = get(live, health, min(PATIENCE, health.timeout))
    except (OSError, ValueError) as error:
        return f"it does not answer its health request, {health.path} ({error})"
    return "" if health.accepts(status) else f"it answers its health request, {health.path}, with {status}"
