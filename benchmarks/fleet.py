#!/usr/bin/env python3
"""What more machines cost and bring: runs over 1, 2, 5 and 10 servers, and requests through a balancer to 1, 2 and 3 of them.

All hosts, the controller and the load share one machine: its processors set what many servers can do here, so read the controller's
seconds and the bytes beside the wall time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bed
import many_apps
import rows
from request_path import milliseconds, read_wrk

SIZES, BALANCED, FAST = (1, 2, 5, 10), (1, 2, 3), (1, 2)
FIRST, UNCHANGED = "first run", "run that changes nothing"
RELEASE, PACKAGES = "release of changed code", "release with other packages"
FIGURES = (
    ("seconds", "s", ""),
    ("processor", "s", ": the controller's processors"),
    ("kib", "KiB", ": sent to a server"),
)
THREADS = 8  # of each server: as many requests as it takes at a time
CLIENTS = 64  # more than three servers can have in hand
SERVERS, APPS = 100, 1000  # of the model
REST = 2  # seconds after each load, in which servers finish what its clients have not waited for
FEW = 4  # fewer than one server can
BALANCER = "emperor-benchmark-balancer"
CONNECTIONS = bed.ROOT / "tests/host/connection"  # docker's, counting bytes
ALL, WITH, WITHOUT = f"{CLIENTS} clients", f"{FEW} clients", f"{FEW} clients, without the balancer"


def server(number: int) -> str:
    """The name of a server."""
    return f"emperor-benchmark-server-{number}"


def address(host: str) -> str:
    """Where a host is."""
    return bed.run(["docker", "exec", host, "hostname", "-I"]).split()[0]


class Fleet:
    """Some servers, and perhaps a balancer, that serve one app which waits 50 ms for each request."""

    def __init__(self, folder: Path, servers: list[str], balancers: list[str]) -> None:
        self.servers, self.inventory, self.released = servers, folder / "inventory.json", 0
        self.code, self.cache, self.log = folder / "app", folder / "cache", folder / "round-trips"
        shutil.copytree(bed.ROOT / "benchmarks/request_app", self.code)
        app = {
            "name": "shop",
            "module": "request_app:app",
            "source": {"path": str(self.code)},
            "processes": 1,
            "threads": THREADS,
            "health": {"path": "/hello"},
        }
        members = {"flask_servers": servers, "load_balancers": balancers}
        hosts = {host: {"fleet_address": address(host)} for host in [*servers, *balancers]}
        shared = {"ansible_connection": "counted_docker", "flask_apps": [app], "nginx_origin": "distribution"}
        groups = {group: {"hosts": {host: {} for host in names}} for group, names in members.items() if names}
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": shared, "children": groups}}))

    def play(self, playbook: str) -> rows.Row:
        """Run a playbook: seconds that it takes and of the controller's processors, KiB sent to each server, and how many built packages."""
        self.log.write_text("")
        environment = os.environ | {
            "PATH": f"{bed.ROOT}/.venv/bin:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(self.cache),
            "ROUND_TRIPS": str(self.log),
            "ANSIBLE_CONNECTION_PLUGINS": str(CONNECTIONS),
            "ANSIBLE_FORKS": "10",
        }
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        said = bed.run(["ansible-playbook", "-i", str(self.inventory), f"playbooks/{playbook}.yml"], env=environment)
        took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        sent = sum(int(line.split()[1]) for line in self.log.read_text().splitlines())
        return {
            "seconds": f"{took:.1f}",
            "processor": f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f}",
            "kib": f"{sent / 1024 / len(self.servers):.0f}",
            "built": str(len(re.findall(r" built on \S+, for all hosts of its kind", said))),
        }

    def release(self, file: str) -> rows.Row:
        """Change a file of the code, and release it."""
        self.released += 1
        with (self.code / file).open("a") as stream:
            stream.write(f"# release {self.released}\n")
        return self.play("deploy")


@contextlib.contextmanager
def fresh(*names: str) -> Iterator[None]:
    """Hosts on which there is nothing yet."""
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(bed.host(name))
        yield


def runs(size: int, repetitions: int) -> Iterator[rows.Row]:
    """A first run over so many servers, with a controller that has built nothing yet, then the others again and again."""
    servers = [server(number) for number in range(size)]
    with tempfile.TemporaryDirectory() as folder, fresh(*servers):
        fleet = Fleet(Path(folder), servers, [])
        yield {"measured": FIRST, "servers": str(size), **fleet.play("site")}
        for _ in range(repetitions):
            yield {"measured": UNCHANGED, "servers": str(size), **fleet.play("site")}
            yield {"measured": RELEASE, "servers": str(size), **fleet.release("request_app.py")}
            yield {"measured": PACKAGES, "servers": str(size), **fleet.release("requirements.txt")}


def load(at: str, clients: int, seconds: int) -> rows.Row:
    """What wrk counts that runs on the balancer and asks an address."""
    argv = ["wrk", "-t2", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "--latency", f"http://{at}/io"]
    said = bed.run(["docker", "exec", BALANCER, *argv])
    time.sleep(REST)
    seen = read_wrk(said)
    if seen["errors"]:
        raise SystemExit(f"requests failed:\n{said}")
    median = milliseconds(re.search(r"^ +50% +(\S+)$", said, re.MULTILINE).group(1))
    return {
        "throughput": f"{seen['right'] / seen['seconds']:.0f}",
        "median": f"{median:.2f}",
        "p99": f"{seen['p99']:.2f}",
    }


def balanced(size: int, repetitions: int, seconds: int) -> Iterator[rows.Row]:
    """Requests through a balancer with so many servers behind it, and few at a time beside a server that is asked itself."""
    servers = [server(number) for number in range(size)]
    with tempfile.TemporaryDirectory() as folder, fresh(BALANCER, *servers):
        Fleet(Path(folder), servers, [BALANCER]).play("site")
        bed.run(["docker", "exec", BALANCER, "sh", "-c", "apt-get update -qq && apt-get install -y -qq wrk >/dev/null"])
        asked = {ALL: ("127.0.0.1", CLIENTS)}
        if size == 1:
            asked |= {WITH: ("127.0.0.1", FEW), WITHOUT: (address(servers[0]), FEW)}
        for _ in range(repetitions):
            for what, (at, clients) in asked.items():
                yield {"measured": what, "servers": str(size), **load(at, clients, seconds)}


def table() -> str:
    """README's tables of the results."""
    return f"{_runs()}\n\n{_requests()}"


def _runs() -> str:
    kept, largest = rows.read("fleet_runs"), str(SIZES[-1])
    built = rows.median(kept, "built", measured=PACKAGES, servers=largest)
    if built != 1:
        raise SystemExit(f"a release over {largest} servers of one kind built its packages {built:g} times")
    lines = ["| | " + " | ".join(f"{size} server{'s' * (size > 1)}" for size in SIZES) + " | 10 to 1 |"]
    lines.append("|---|" + "---:|" * (len(SIZES) + 1))
    for figure, unit, text in FIGURES:
        for measured in (FIRST, UNCHANGED, RELEASE, PACKAGES):
            values = [rows.median(kept, figure, measured=measured, servers=str(size)) for size in SIZES]
            shown = " | ".join(f"{value:,.{0 if value > 100 else 1}f} {unit}" for value in values)
            lines.append(f"| {measured}{text} | {shown} | {values[-1] / values[0]:.2f} |")
    return "\n".join(lines)


def _requests() -> str:
    kept = rows.read("fleet_requests")
    lines = ["| servers | asked by | requests a second | median | p99 |", "|---:|---|---:|---:|---:|"]
    for measured, servers in dict.fromkeys((row["measured"], row["servers"]) for row in kept):
        figures = [
            rows.median(kept, figure, measured=measured, servers=servers) for figure in ("throughput", "median", "p99")
        ]
        rate, median, worst = figures
        lines.append(f"| {servers} | {measured} | {rate:.0f} | {median:.1f} ms | {worst:.1f} ms |")
    return "\n".join(lines)


def model() -> str:
    """The table of docs/fleet.md: what the figures make of many servers with many apps each, where nothing else gives way."""

    def each(figure: str, measured: str) -> float:
        """What one more server adds."""
        most, one = (rows.median(kept, figure, measured=measured, servers=str(size)) for size in (SIZES[-1], SIZES[0]))
        return (most - one) / (SIZES[-1] - SIZES[0])

    kept, apps = rows.read("fleet_runs"), rows.read("many_apps")
    kib = rows.median(kept, "kib", measured=RELEASE, servers=str(SIZES[-1]))
    fifty, one = (
        rows.median(apps, "value", measured=many_apps.UNCHANGED, apps=str(number)) for number in (many_apps.MANY, 1)
    )
    app = (fifty - one) / (many_apps.MANY - 1)
    memory = rows.median(apps, "value", measured=many_apps.MEMORY, apps=str(many_apps.MANY))
    minutes, mebibytes, gibibytes = ("s", 60, "minutes"), ("KiB", 1024, "MiB"), ("MiB", 1024, "GiB")
    times = {"server": SERVERS, "app and server": SERVERS * APPS, "app": APPS}
    costs = {
        "release of one app: the controller's processors": (each("processor", RELEASE), minutes, "server"),
        "release of one app: sent": (kib, mebibytes, "server"),
        "run that changes nothing: the controller's processors": (each("processor", UNCHANGED), minutes, "server"),
        "the same, for what each app adds": (app, minutes, "app and server"),
        "memory of a server whose apps are idle": (memory, gibibytes, "app"),
    }
    lines = [f"| | one | {SERVERS} servers with {APPS:,} apps each |", "|---|---:|---:|"]
    for text, (value, (unit, divisor, total), of) in costs.items():
        lines.append(f"| {text} | {_short(value)} {unit} for each {of} | {value * times[of] / divisor:,.1f} {total} |")
    return "\n".join(lines)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value > 100 else f"{value:.2g}"


def main() -> None:
    """Measure, and keep the results."""
    options = bed.options(__doc__, fast="1 and 2 servers, once; no results are kept")
    repetitions = 1 if options.fast else options.repetitions
    kept: dict[str, list[rows.Row]] = {"fleet_runs": [], "fleet_requests": []}

    def keep(name: str, measured: Iterator[rows.Row]) -> None:
        for row in measured:
            kept[name].append(row)
            print(", ".join(row.values()), flush=True)

    for size in FAST if options.fast else SIZES:
        keep("fleet_runs", runs(size, repetitions))
    for size in FAST[:1] if options.fast else BALANCED:
        keep("fleet_requests", balanced(size, repetitions, 2 if options.fast else 10))
    if not options.fast:
        for name, lines in kept.items():
            rows.write(name, lines)
        print(table(), model(), sep="\n\n")


if __name__ == "__main__":
    main()
