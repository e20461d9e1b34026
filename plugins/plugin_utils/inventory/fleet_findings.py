# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between the hosts of a fleet, though it should not: each finding has a code, a meaning and what to type."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.app_findings import CERTIFICATE_DAYS, Finding, finding

Status = dict[str, Any]

FETCH = "systemctl start emperor-certificates"
DEPLOY = "ansible-playbook emperor.flask.deploy"
SITE = "ansible-playbook emperor.flask.site"
# Codes of emperor.flask.app_status: nobody gets an answer from such an app.
SILENT = ("no-release", "emperor-down", "vassal-down", "socket", "site", "health")
MOST_APART = 60  # seconds that a host's clock may be from the controller's


def answering(app: str, statuses: dict[str, Status]) -> list[str]:
    """The servers that answer for an app, by what each has said of itself; one that could not be asked does not."""
    return [server for server, status in statuses.items() if _answers(app, status)]


def _answers(app: str, status: Status) -> bool:
    wrong = {(found["app"], found["code"]) for found in status.get("findings", [])}
    there = any(row["app"] == app for row in status.get("apps", []))
    return there and not wrong & {("", "nginx-down"), *((app, code) for code in SILENT)}


def of_fleet(servers: dict[str, Status], balancers: dict[str, Status], first: str | None) -> list[Finding]:
    """What is wrong, given what was found on each host; those that were not asked, or did not answer, have no entry.

    ``first`` is the balancer that orders certificates for all.
    """
    hosts = {**servers, **balancers}
    found = [*_releases(servers), *_clocks(hosts), *_balancers(balancers), *_out(balancers)]
    return [*found, *_certificates(balancers, first)]


def _releases(servers: dict[str, Status]) -> Iterator[Finding]:
    """Apps that some servers serve in another release than others. A release's id is the same on hosts of one kind; the code is on all."""
    by_app: dict[str, dict[str, list[str]]] = {}
    for server, status in servers.items():
        for row in status.get("apps", []):
            by_app.setdefault(row["app"], {}).setdefault(row.get("code") or row["release"], []).append(server)
    for app, codes in by_app.items():
        if len(codes) > 1:
            where = "; ".join(f"{code[:12] or 'none'} on {', '.join(hosts)}" for code, hosts in codes.items())
            yield finding(app, "differs", f"the servers serve different code: {where}", f"{DEPLOY} -e app={app}")


def _clocks(hosts: dict[str, Status]) -> Iterator[Finding]:
    for host, status in hosts.items():
        ahead = status.get("ahead", 0)
        if abs(ahead) > MOST_APART:
            which = "ahead of" if ahead > 0 else "behind"
            meaning = f"the clock of {host} is {abs(ahead)} seconds {which} the controller's"
            yield finding("", "clock", meaning, f"timedatectl set-ntp true, on {host}")


def _balancers(balancers: dict[str, Status]) -> Iterator[Finding]:
    """Balancers that do nothing, or do not get what is renewed."""
    for balancer, status in balancers.items():
        if status.get("unreachable"):
            meaning = f"the balancer {balancer} cannot be reached"
            yield finding("", "balancer", meaning, "start it, or take it out of the inventory")
        elif not status.get("nginx", True):
            remedy = f"journalctl --unit nginx; systemctl restart nginx, on {balancer}"
            yield finding("", "balancer", f"nginx does not run on the balancer {balancer}", remedy)
        for unit in status.get("failed_units", []):
            yield finding("", "renewal", f"{unit} failed on {balancer}", f"journalctl --unit {unit}, on {balancer}")


def _out(balancers: dict[str, Status]) -> Iterator[Finding]:
    for balancer, status in balancers.items():
        out = [server for server, takes in status.get("takes", {}).items() if not takes]
        if out:
            yield finding("", "out", f"{balancer} sends no requests to {', '.join(out)}", DEPLOY)


def _certificates(balancers: dict[str, Status], first: str | None) -> Iterator[Finding]:
    """Certificates that are about to end, and those that another balancer shows than the one that orders them."""
    shown = balancers.get(first or "", {}).get("certificates", {})
    ordered = {app: certificate for app, certificate in shown.items() if certificate["ordered"]}
    for balancer, status in balancers.items():
        for app, certificate in status.get("certificates", {}).items():
            days = int((certificate["ends"] - time.time()) // 86400)
            if days < CERTIFICATE_DAYS:
                meaning = f"its certificate on {balancer} ends in {days} days"
                yield finding(app, "certificate", meaning, f"journalctl --unit certbot, on {first}, then {SITE}")
            if app in ordered and certificate["digest"] != ordered[app]["digest"]:
                meaning = f"{balancer} shows another certificate than {first}"
                yield finding(app, "certificates-differ", meaning, f"{FETCH}, on {balancer}, or {DEPLOY}")
