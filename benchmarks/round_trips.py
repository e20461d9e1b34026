#!/usr/bin/env python3
"""What a release costs the operator: round trips of a release and of an unchanged deploy, a rollback beside `ansible -m ping`, the switch."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import bed
import rows

HOST = "emperor-benchmark-trips"
RELEASE = "release of changed code"
UNCHANGED = {1: "deploy that changes nothing, 1 app", 5: "deploy that changes nothing, 5 apps"}
PING, ROLLBACK, SWITCH = "ansible -m ping", "rollback", "switch"
IMPORT = 2  # seconds that the app imports for
CONNECTIONS = bed.ROOT / "tests/host/connection"  # docker's, counting executions


class Bench:
    """The app's code, and the host it is released on."""

    def __init__(self, folder: Path) -> None:
        self.code, self.log, self.released = folder / "shop", folder / "round-trips", 0
        shutil.copytree(bed.ROOT / "tests/fixtures/shop", self.code)
        self.rows: list[rows.Row] = []
        bed.site(HOST, flask_apps=self._apps(5))

    def _apps(self, number: int) -> list[dict[str, object]]:
        """The app, and light ones beside it."""
        shop = {
            "name": "shop",
            "module": "shop:app",
            "source": {"path": str(self.code)},
            "server_names": ["shop.test"],
            "env": {"SHOP_IMPORT_SECONDS": str(IMPORT)},
        }
        light = {
            "module": "hello:app",
            "source": {"path": str(bed.ROOT / "examples/demoapp")},
        }
        names = [f"light-{index}" for index in range(1, number)]
        return [shop, *({**light, "name": name, "server_names": [f"{name}.test"]} for name in names)]

    def _write(self) -> None:
        """Change the code."""
        self.released += 1
        (self.code / "VERSION").write_text(f"release {self.released}\n")

    def _play(self, playbook: str, *flags: str, apps: int = 1, **variables: object) -> None:
        bed.ansible(
            "ansible-playbook", HOST, f"playbooks/{playbook}.yml", *flags, flask_apps=self._apps(apps), **variables
        )

    def _keep(self, measured: str, value: float, unit: str) -> None:
        self.rows.append({"measured": measured, "value": f"{value:g}", "unit": unit})
        print(f"{measured}: {value:g} {unit}", flush=True)

    def count(self, measured: str, apps: int) -> None:
        """Count the round trips of a deploy."""
        self.log.write_text("")
        os.environ |= {"ROUND_TRIPS": str(self.log), "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS)}
        self._play("deploy", apps=apps, ansible_connection="counted_docker")
        self._keep(measured, len(self.log.read_text().splitlines()), "round trips")

    def trips(self) -> None:
        """A release of one app, then nothing to do for one and for five."""
        self._write()
        self.count(RELEASE, 1)
        for apps, measured in UNCHANGED.items():
            self.count(measured, apps)

    def rollback(self) -> None:
        """Go back to the release before, and ping."""
        self._write()
        self._play("deploy")
        self._keep(ROLLBACK, round(bed.seconds(lambda: self._play("rollback", "-e", "app=shop")), 2), "s")
        self._keep(PING, round(bed.seconds(lambda: bed.ansible("ansible", HOST, "all", "-m", "ping")), 2), "s")

    def switch(self) -> None:
        """Let the host switch between its releases."""
        utils = "/srv/ansible_collections/emperor/flask/plugins"
        bed.run(["docker", "exec", HOST, "mkdir", "-p", utils])
        bed.run(["docker", "cp", str(bed.ROOT / "plugins/module_utils"), f"{HOST}:{utils}/"])
        script = Path(__file__).with_name("switch_times.py").read_text()
        times = json.loads(bed.run(["docker", "exec", HOST, "python3", "-B", "-c", script]))
        self._keep(SWITCH, statistics.median(times), "ms")


def table() -> str:
    """README's table of the results."""
    kept = rows.read("round_trips")

    def median(measured: str) -> float:
        return rows.median(kept, "value", measured=measured)

    lines = ["| what | median |", "|---|---|"]
    lines += [f"| {measured} | {median(measured):.0f} round trips |" for measured in (RELEASE, *UNCHANGED.values())]
    beyond = (median(ROLLBACK) - IMPORT) / median(PING)
    lines += [
        f"| `{PING}` | {median(PING):.1f} s |",
        f"| {ROLLBACK} of an app that imports for {IMPORT} s | {median(ROLLBACK):.1f} s: the import and {beyond:.1f} pings |",
        f"| the {SWITCH} on a host | {median(SWITCH):.1f} ms |",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    repetitions = bed.repetitions(__doc__)
    with tempfile.TemporaryDirectory() as folder, bed.host(HOST):
        bench = Bench(Path(folder))
        for _ in range(repetitions):
            bench.trips()
            bench.rollback()
            bench.switch()
            rows.write("round_trips", bench.rows)
    print(table())


if __name__ == "__main__":
    main()
