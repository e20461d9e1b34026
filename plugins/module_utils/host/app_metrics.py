# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the apps of a host are, as text for Prometheus. docs/monitoring.md lists the metrics.

All are gauges, so the text is OpenMetrics and Prometheus's older format alike, which the textfile collector of node_exporter reads.
The role uwsgi_emperor installs this file on the hosts, for flask-app: it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

PREFIX = "emperor_flask_"
BESIDE = ".new"  # the collector reads *.prom alone
HELP = {
    "up": "Whether the live release of the app listens on its socket.",
    "release_info": "The live release: its id, who deployed it, and its source's version and commit where it has them.",
    "release_timestamp_seconds": "When the live release was deployed.",
    "threads": "How many requests the live release can have in hand at once.",
    "threads_busy": "How many requests and open streams it has in hand.",
    "queue_length": "Requests that wait for a thread.",
    "requests_last_5m": "Requests that were answered in the last five minutes.",
    "errors_last_5m": "Requests that were answered with 5xx in the last five minutes.",
    "memory_bytes": "Memory of everything that runs for the app.",
    "memory_limit_bytes": "The most that it may be.",
    "certificate_expiry_timestamp_seconds": "When the certificate of the app ends.",
    "maintenance": "Whether the app is closed for maintenance.",
    "releasing": "Whether somebody releases the app.",
    "worker_processes": "Processes that a worker is to have.",
    "worker_processes_running": "Processes of a worker that run.",
    "worker_restarts": "How often systemd has started the processes of a worker again since they were released.",
    "timer_active": "Whether a timer waits for its next run.",
    "timer_success": "Whether the last run of a timer did not fail; 1 before the first.",
    "timer_last_run_timestamp_seconds": "When a timer last ran.",
    "timer_next_run_timestamp_seconds": "When a timer runs next.",
    "finding": "How often something is wrong, by its code in the runbook; app is empty for the host's own.",
    "disk_free_bytes": "Bytes that apps can still write to the disk of a folder.",
    "disk_size_bytes": "Bytes of the disk of a folder.",
}
Sample = tuple[str, dict[str, str], Any]


def text(rows: list[dict[str, Any]], findings: list[dict[str, str]], disks: list[dict[str, Any]]) -> str:
    """The metrics of these apps, as app_status and app_findings have them. What has no value is left out."""
    samples: dict[str, list[str]] = {}
    found = [*(sample for row in rows for sample in _of_app(row)), *_of_findings(findings), *_of_disks(disks)]
    for name, labels, value in found:
        if value is not None:
            pairs = ",".join(f'{label}="{_escaped(said)}"' for label, said in labels.items())
            samples.setdefault(name, []).append(f"{PREFIX}{name}{{{pairs}}} {int(value)}")
    lines = []
    for name, meaning in HELP.items():
        if name in samples:
            lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} gauge", *samples[name]]
    return "\n".join([*lines, "# EOF"]) + "\n"


def write(path: str, content: str) -> None:
    """Put the text in the place of a file, whole: whoever reads it sees the text before or this one. No link is followed at its place."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path + BESIDE)
    descriptor = os.open(path + BESIDE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
        os.fchmod(descriptor, 0o644)
    os.rename(path + BESIDE, path)


def _of_app(row: dict[str, Any]) -> Iterator[Sample]:
    app, origin = {"app": row["app"]}, row["origin"]
    labels = {
        "release": row["release"],
        "by": row["by"],
        "version": origin.get("version"),
        "commit": origin.get("commit"),
    }
    yield "up", app, row["web"] != "down"
    if row["release"]:
        yield "release_info", {**app, **{name: str(said or "") for name, said in labels.items()}}, 1
    for name, key in (
        ("release_timestamp_seconds", "since"),
        ("threads", "threads"),
        ("threads_busy", "busy"),
        ("queue_length", "queue"),
        ("requests_last_5m", "requests"),
        ("errors_last_5m", "errors"),
        ("memory_bytes", "memory"),
        ("memory_limit_bytes", "memory_limit"),
        ("certificate_expiry_timestamp_seconds", "certificate_ends"),
        ("maintenance", "closed"),
    ):
        yield name, app, row[key]
    yield "releasing", app, row["lock"] is not None
    for worker in row["workers"]:
        labels = {**app, "worker": worker["name"]}
        yield "worker_processes", labels, worker["processes"]
        yield "worker_processes_running", labels, worker["running"]
        yield "worker_restarts", labels, worker["restarts"]
    for timer in row["timers"]:
        labels = {**app, "timer": timer["name"]}
        yield "timer_active", labels, timer["waits"]
        yield "timer_success", labels, timer["result"] in ("success", "")
        yield "timer_last_run_timestamp_seconds", labels, timer["last"]
        yield "timer_next_run_timestamp_seconds", labels, timer["next"]


def _of_findings(findings: list[dict[str, str]]) -> Iterator[Sample]:
    for (app, code), times in Counter((finding["app"], finding["code"]) for finding in findings).items():
        yield "finding", {"app": app, "code": code}, times


def _of_disks(disks: list[dict[str, Any]]) -> Iterator[Sample]:
    for disk in disks:
        for folder in disk["folders"]:
            yield "disk_free_bytes", {"folder": folder}, disk["free"]
            yield "disk_size_bytes", {"folder": folder}, disk["size"]


def _escaped(said: str) -> str:
    """A label's value; what cannot be written as UTF-8 is replaced."""
    valid = said.encode(errors="replace").decode()
    return valid.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
