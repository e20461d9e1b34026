# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a host and its apps: each finding has a code, what it means and what to type. docs/runbook.md has an entry for each code.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

from . import host_findings

CERTIFICATE_DAYS = 14  # below this, a certificate is a finding: renewals begin at 30
QUEUE = 100  # requests that wait for a process of the app: more is a finding
RESTARTS = 5  # of a worker, by systemd
MEMORY = 0.9  # of the limit
SPARE = 0.05  # of a disk's space and of its files
OWED = "/var/lib/emperor-flask/nginx-reload-owed"
DEPLOY = "ansible-playbook emperor.flask.deploy -e app={app}"
SHOWN = 3  # paths that a finding names
DISKS = ("/var/www", "/var/log", "/opt")

Finding = dict[str, str]


def found(rows: list[dict[str, Any]], with_host: bool) -> list[Finding]:
    """What is wrong with these apps, and first with the host, where that is asked for."""
    return [*(of_host() if with_host else []), *(each for row in rows for each in of_app(row))]


def of_app(row: dict[str, Any]) -> list[Finding]:
    """What is wrong with an app, whose row app_status has made, most urgent first."""
    app, found = row["app"], []
    deploy = DEPLOY.format(app=app)
    if not row["release"]:
        found.append(finding(app, "no-release", "it has no release", deploy))
    elif row["emperor"] != "active":
        start = f"systemctl restart uwsgi-emperor@{app}"
        found.append(finding(app, "emperor-down", f"its Emperor is {row['emperor'] or 'unknown'}", start))
    elif row["web"] == "down":
        found.append(finding(app, "vassal-down", "nothing listens on its socket", deploy))
    elif not row["reachable"]:
        again = f"systemctl restart uwsgi-emperor@{app}"
        found.append(finding(app, "socket", "nginx may not use its socket, whose owner or mode has changed", again))
    if row["release"] and not row["site"]:
        found.append(finding(app, "site", "nginx has no site for it", deploy))
    if row["killed"]:
        look = f"sudo flask-app {app} logs --since '1 hour ago'"
        said = f"{row['killed']} of its web processes were killed in the last hour"
        found.append(finding(app, "killed", said, look))
    if row["leftovers"]:
        left = f"a run that died has left {', '.join(row['leftovers'])} beside its live release"
        found.append(finding(app, "leftover", left, deploy))
    found += [each for worker in row["workers"] for each in _of_worker(app, worker, deploy)]
    found += [each for timer in row["timers"] for each in _of_timer(app, timer, deploy)]
    if row["queue"] is not None and row["queue"] >= QUEUE:
        more = f"raise processes or threads of {app} in the inventory, and deploy it"
        found.append(finding(app, "queue", f"{row['queue']} requests wait for a thread", more))
    if row["memory"] and row["memory_limit"] and row["memory"] > MEMORY * row["memory_limit"]:
        share = f"{100 * row['memory'] // row['memory_limit']} % of limits.memory is in use"
        found.append(finding(app, "memory", share, f"raise limits.memory of {app} in the inventory, and deploy it"))
    if row["certificate_days"] is not None and row["certificate_days"] < CERTIFICATE_DAYS:
        ends = f"its certificate ends in {row['certificate_days']} days"
        found.append(
            finding(app, "certificate", ends, "journalctl --unit certbot, then ansible-playbook emperor.flask.site")
        )
    return found


def of_host() -> list[Finding]:
    """What is wrong with the host, whatever its apps are."""
    found = []
    if _ended(["systemctl", "is-active", "--quiet", "nginx"]) is not None:
        found.append(finding("", "nginx-down", "nginx does not run", "systemctl restart nginx"))
    if (said := _ended(["nginx", "-t", "-q"])) is not None:
        line = said.strip().splitlines()[0] if said.strip() else "it does not say why"
        found.append(
            finding(
                "",
                "nginx-refuses",
                f"nginx would not start with its configuration: {line}",
                "correct that file; then nginx -t",
            )
        )
    if os.path.exists(OWED):
        found.append(
            finding(
                "",
                "reload-owed",
                "a run that died has left nginx with what it read before",
                "ansible-playbook emperor.flask.deploy",
            )
        )
    for name, paths in host_findings.drifted().items():
        more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
        said = f"not as the set {name} was applied: {', '.join(paths[:SHOWN])}{more}"
        found.append(finding("", "drift", said, "ansible-playbook emperor.flask.site"))
    for unit, program in host_findings.outdated().items():
        said = f"{unit} runs a {program} that an upgrade has replaced"
        found.append(finding("", "outdated", said, f"systemctl restart {unit}"))
    return found + [each for disk in DISKS for each in _of_disk(disk)]


def disks() -> list[dict[str, Any]]:
    """The disks that the apps' files are on: the folders that each holds, how many bytes are free, and in all."""
    held: dict[int, dict[str, Any]] = {}
    for folder in filter(os.path.isdir, DISKS):
        disk = os.statvfs(folder)
        free, size = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        held.setdefault(os.stat(folder).st_dev, {"folders": [], "free": free, "size": size})["folders"].append(folder)
    return list(held.values())


def disk_line(disk: dict[str, Any]) -> str:
    """A disk for people."""
    return f"disk of {', '.join(disk['folders'])}: {disk['free'] // 2**30} of {disk['size'] // 2**30} GiB are free"


def line(found: Finding) -> str:
    """A finding for people."""
    about = f"{found['app']}: " if found["app"] else ""
    return f"{about}{found['meaning']} [{found['code']}]; to mend it: {found['remedy']}"


def _of_worker(app: str, worker: dict[str, Any], deploy: str) -> list[Finding]:
    running = f"worker {worker['name']}: {worker['running']} of {worker['processes']} processes run"
    if worker["running"] < worker["processes"]:
        return [finding(app, "worker-down", running, deploy)]
    if worker["restarts"] >= RESTARTS:
        look = f"journalctl --identifier {app}/{worker['name']}"
        return [finding(app, "worker-restarts", f"worker {worker['name']} has ended {worker['restarts']} times", look)]
    return []


def _of_timer(app: str, timer: dict[str, Any], deploy: str) -> list[Finding]:
    if not timer["waits"]:
        return [finding(app, "timer-down", f"timer {timer['name']} is not started", deploy)]
    if timer["result"] not in ("success", ""):
        look = f"journalctl --identifier {app}/{timer['name']}"
        return [
            finding(app, "timer-failed", f"timer {timer['name']} failed when it last ran ({timer['result']})", look)
        ]
    return []


def _of_disk(folder: str) -> list[Finding]:
    if not os.path.isdir(folder):
        return []
    disk = os.statvfs(folder)
    if disk.f_bavail < SPARE * disk.f_blocks:
        left = f"{disk.f_bavail * disk.f_frsize // 2**20} MiB are left on the disk of {folder}"
        return [finding("", "disk", left, f"du --max-depth 2 {folder} | sort --numeric-sort | tail")]
    if disk.f_files and disk.f_favail < SPARE * disk.f_files:
        left = f"{disk.f_favail} files can still be made on the disk of {folder}"
        return [finding("", "files", left, f"du --inodes --max-depth 2 {folder} | sort --numeric-sort | tail")]
    return []


def finding(app: str, code: str, meaning: str, remedy: str) -> Finding:
    """One that is about an app, or about the host where that is empty."""
    return {"app": app, "code": code, "meaning": meaning, "remedy": remedy}


def _ended(argv: list[str]) -> str | None:
    """What a program printed that ended with an error; None where it did not."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stdout if done.returncode else None
