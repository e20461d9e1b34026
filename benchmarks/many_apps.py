#!/usr/bin/env python3
"""What many apps on one machine cost: one more, a release of all at once, a run that changes nothing, `status`, and the memory of idle apps.

Two hosts, one with one app and one with fifty, which are all the tutorial's, with the defaults of an app.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bed
import rows

MANY, FEW = 50, 3  # apps of the second host; of a quick run
ONE, OTHER = "emperor-benchmark-one", "emperor-benchmark-many"
ADD, RELEASE, STATUS = "one more app", "release of all apps at once", "`status`"
UNCHANGED, UNCHANGED_TRIPS = "`site` that changes nothing", "its round trips"
STATUS_TRIPS, MEMORY = "round trips of `status`", "memory of an idle app"
UNITS = {ADD: "s", RELEASE: "s", UNCHANGED: "s", UNCHANGED_TRIPS: "", STATUS: "s", STATUS_TRIPS: "", MEMORY: "MiB"}
CONNECTIONS = bed.ROOT / "tests/host/connection"  # docker's, counting executions


class Bench:
    """The code that all apps are made of, and what has been measured."""

    def __init__(self, folder: Path, many: int) -> None:
        self.hosts = {1: ONE, many: OTHER}
        self.code, self.log, self.released = folder / "app", folder / "round-trips", 0
        shutil.copytree(bed.ROOT / "examples/demoapp", self.code)
        self.rows: list[rows.Row] = []
        for apps, host in self.hosts.items():
            bed.site(host, flask_apps=self._apps(apps))

    def _apps(self, number: int) -> list[dict[str, object]]:
        names = [f"app-{index}" for index in range(number)]
        made_of = {"module": "hello:app", "source": {"path": str(self.code)}}
        return [{**made_of, "name": name, "server_names": [f"{name}.test"]} for name in names]

    def _play(self, playbook: str, apps: int, *flags: str, on: int | None = None, **variables: object) -> None:
        path = f"playbooks/{playbook}.yml"
        bed.ansible("ansible-playbook", self.hosts[on or apps], path, *flags, flask_apps=self._apps(apps), **variables)

    def add(self, apps: int) -> float:
        """Let one more app come, which goes again afterwards."""
        took = bed.seconds(lambda: self._play("deploy", apps + 1, on=apps))
        self._play("deploy", apps, flask_app_prune=True)
        return took

    def release(self, apps: int) -> float:
        """Change the code, and release every app of a host."""
        self.released += 1
        (self.code / "VERSION").write_text(f"{self.released}\n")
        return bed.seconds(lambda: self._play("deploy", apps))

    def seconds(self, playbook: str, apps: int) -> float:
        """How long a playbook takes."""
        return bed.seconds(lambda: self._play(playbook, apps))

    def trips(self, playbook: str, apps: int) -> float:
        """How often a playbook asks the host."""
        self.log.write_text("")
        os.environ |= {"ROUND_TRIPS": str(self.log), "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS)}
        self._play(playbook, apps, ansible_connection="counted_docker")
        return len(self.log.read_text().splitlines())

    def memory(self, apps: int) -> float:
        """MiB that the control group of an app has, on the average."""
        slices = [f"emperor-app\\x2d{index}.slice" for index in range(apps)]
        shown = bed.run(
            ["docker", "exec", self.hosts[apps], "systemctl", "show", "--value", "--property=MemoryCurrent", *slices]
        )
        return sum(map(int, shown.split())) / apps / 2**20

    def measure(self) -> None:
        """Everything, on either host in turn."""
        deeds: dict[str, Callable[[int], float]] = {
            MEMORY: self.memory,
            ADD: self.add,
            RELEASE: self.release,
            UNCHANGED: partial(self.seconds, "site"),
            UNCHANGED_TRIPS: partial(self.trips, "site"),
            STATUS: partial(self.seconds, "status"),
            STATUS_TRIPS: partial(self.trips, "status"),
        }
        for measured, deed in deeds.items():
            for apps in self.hosts:
                self.rows.append({"measured": measured, "apps": str(apps), "value": f"{deed(apps):.2f}"})
                print(", ".join(self.rows[-1].values()), UNITS[measured], flush=True)


def table() -> str:
    """README's table of the results."""
    kept = rows.read("many_apps")
    lines = [f"| | with 1 app | with {MANY} apps | ratio |", "|---|---:|---:|---:|"]
    for measured, unit in UNITS.items():
        one, many = (rows.median(kept, "value", measured=measured, apps=str(apps)) for apps in (1, MANY))
        digits = 1 if unit else 0
        lines.append(
            f"| {measured} | {one:.{digits}f} {unit} | {many:.{digits}f} {unit} | {many / one:.2f} |".replace("  ", " ")
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    options = bed.options(__doc__, fast=f"{FEW} apps in the place of {MANY}, once; no results are kept")
    with tempfile.TemporaryDirectory() as folder, bed.host(ONE), bed.host(OTHER):
        bench = Bench(Path(folder), FEW if options.fast else MANY)
        for _ in range(1 if options.fast else options.repetitions):
            bench.measure()
            if not options.fast:
                rows.write("many_apps", bench.rows)
    if not options.fast:
        print(table())


if __name__ == "__main__":
    main()
