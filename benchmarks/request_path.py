#!/usr/bin/env python3
"""What a request costs: throughput, p99, CPU and memory of our defaults beside granian and gunicorn.

One host, one app, one nginx, one load (wrk); of the servers only the one that is measured runs. The machine may have other work,
which comes and goes: so the servers take turns, and a ratio is the median of those of each turn, not that of two medians.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
from pathlib import Path
from typing import NamedTuple

import bed
import rows

HOST = "emperor-benchmark-requests"
APP = bed.ROOT / "benchmarks/request_app"
OURS = "shop"  # the app's name; the other servers are those of request_rivals.sh
GRANIAN, GUNICORN = RIVALS = ("granian", "gunicorn")
SERVERS = {OURS: "emperor.flask", GRANIAN: "granian", GUNICORN: "gunicorn"}
UNITS = {OURS: f"uwsgi-emperor@{OURS}", GRANIAN: f"rival-{GRANIAN}", GUNICORN: f"rival-{GUNICORN}"}
RESULTS, RATIOS = "request_path", "request_ratios"
FAST = ".ansible/benchmarks"  # where the results of a quick run are kept
UNITS_OF_TIME = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}  # wrk's, in milliseconds


class Workload(NamedTuple):
    """What is asked, and by how many clients at a time."""

    path: str
    clients: int


WORKLOADS = {
    "hello, 64 clients": Workload("/hello", 64),
    "page of 100 items, 64 clients": Workload("/page", 64),
    "50 ms of I/O, 64 clients": Workload("/io", 64),
    "50 ms of I/O, 256 clients": Workload("/io", 256),
}
# Right answers a second; milliseconds; microseconds of CPU for each right answer, of server and nginx together.
FIGURES = {"throughput": "throughput: more is better", "p99": "p99: less is better", "cpu": "CPU a request"}
PLOTTED = ("throughput", "p99")


def milliseconds(latency: str) -> float:
    """A latency as wrk prints it, such as ``9.51ms``."""
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", latency).groups()
    return float(number) * UNITS_OF_TIME[unit]


def read_wrk(said: str) -> dict[str, float]:
    """What wrk has counted: ``right`` answers, ``errors`` (other answers, and connections that broke or got none), ``seconds``, ``p99`` in ms."""
    answers, took = re.search(r"^ +(\d+) requests in ([\d.]+[a-z]+),", said, re.MULTILINE).groups()
    wrong = sum(
        map(int, re.findall(r"^ +Non-2xx or 3xx responses: (\d+)$", said, re.MULTILINE))
    )  # it is said if there are any
    broken = re.findall(r"^ +Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)$", said, re.MULTILINE)
    return {
        "right": int(answers) - wrong,
        "errors": wrong + sum(int(count) for counts in broken for count in counts),
        "seconds": milliseconds(took) / 1000,
        "p99": milliseconds(re.search(r"^ +99% +(\S+)$", said, re.MULTILINE).group(1)),
    }


def row(turn: int, workload: str, server: str, seen: dict) -> rows.Row:
    """A line of the results, from what request_load.py has printed."""
    counted = read_wrk(seen["wrk"])
    if not counted["right"]:
        raise SystemExit(f"{workload}: {server} gave no right answer:\n{seen['wrk']}")
    cpu = {name: round(1_000_000 * seconds / counted["right"], 1) for name, seconds in seen["cpu"].items()}
    return {
        "turn": turn,
        "workload": workload,
        "server": server,
        "throughput": round(counted["right"] / counted["seconds"], 1),
        "p99": round(counted["p99"], 3),
        "cpu": round(sum(cpu.values()), 1),
        "server_cpu": cpu["server"],
        "nginx_cpu": cpu["nginx"],
        "idle_mib": round(seen["idle"], 1),
        "loaded_mib": round(seen["loaded"], 1),
        "errors": counted["errors"],
        "load_average": round(seen["load"], 2),
        "cores_busy_otherwise": round(seen["others"], 2),
    }


def order(turn: int, place: int) -> list[str]:
    """The servers, each at another place in every turn and for every workload."""
    first = (turn + place) % len(SERVERS)
    return [*SERVERS][first:] + [*SERVERS][:first]


def ratio(kept: list[rows.Row], figure: str, workload: str, server: str, other: str) -> float:
    """How many times the other's figure a server has: the median of the turns."""
    of = {
        name: {
            line["turn"]: float(line[figure]) for line in kept if (line["workload"], line["server"]) == (workload, name)
        }
        for name in (server, other)
    }
    return statistics.median(value / of[other][turn] for turn, value in of[server].items() if turn in of[other])


def ratios(kept: list[rows.Row]) -> list[rows.Row]:
    """All ratios to the other servers, as they are kept beside the results."""
    return [
        {"workload": workload, "server": server, "figure": figure}
        | {f"to_{rival}": f"{ratio(kept, figure, workload, server, rival):.3f}" for rival in RIVALS}
        for workload in WORKLOADS
        for server in SERVERS
        for figure in FIGURES
    ]


class Bench:
    """The host, on which all servers are set up and none runs."""

    def __init__(self, seconds: int, warm_up: int) -> None:
        self.seconds, self.warm_up = seconds, warm_up
        self.answers: dict[str, str] = {}
        app = {
            "name": OURS,
            "module": "request_app:app",
            "source": {"path": str(APP)},
            "server_names": [f"{OURS}.test"],
        }
        bed.site(HOST, flask_apps=[app | {"health": {"path": "/hello"}}])
        here = Path(__file__)
        bed.run(["docker", "exec", HOST, "mkdir", "/srv/rivals"])
        bed.run(["docker", "cp", str(APP), f"{HOST}:/srv/rivals/app"])
        bed.run(["docker", "cp", str(here.with_name("request_rivals.txt")), f"{HOST}:/srv/rivals/"])
        with here.with_name("request_rivals.sh").open() as script:
            bed.run(["docker", "exec", "--interactive", HOST, "sh", "-s"], stdin=script)
        bed.run(["docker", "exec", HOST, "systemctl", "stop", UNITS[OURS]])
        self.script = here.with_name("request_load.py").read_text()

    def measure(self, turn: int, workload: str, server: str) -> rows.Row:
        """Load a server. All must give the same answer."""
        path, clients = WORKLOADS[workload]
        asked = [UNITS[server], server, f"{server}.test", path, *map(str, (clients, self.seconds, self.warm_up))]
        seen = json.loads(bed.run(["docker", "exec", HOST, "python3", "-B", "-c", self.script, *asked]))
        if self.answers.setdefault(path, seen["answer"]) != seen["answer"]:
            raise SystemExit(f"{server} answers {path} otherwise than the server before it")
        return row(turn, workload, server, seen)


def number(value: float) -> str:
    """A figure as README shows it: three digits count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def shown(figure: str, value: float) -> str:
    """A figure with its unit."""
    unit = {"throughput": "/s", "p99": " ms", "cpu": " µs"}[figure]
    return f"{number(value)}{unit}"


def table() -> str:
    """README's tables of the results: requests, then memory."""
    kept = rows.read(RESULTS)
    lines = [
        "| asked for | server | throughput | to granian | to gunicorn | p99 | CPU a request: server | nginx |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for workload in WORKLOADS:
        for server, named in SERVERS.items():
            figures = {
                figure: shown(unit, rows.median(kept, figure, workload=workload, server=server))
                for figure, unit in {
                    "throughput": "throughput",
                    "p99": "p99",
                    "server_cpu": "cpu",
                    "nginx_cpu": "cpu",
                }.items()
            }
            times = [f"{ratio(kept, 'throughput', workload, server, rival):.2f}" for rival in RIVALS]
            throughput, *others = figures.values()
            lines.append(f"| {' | '.join([workload, named, throughput, *times, *others])} |")
    lines += ["", "| memory of all processes (PSS) | idle | loaded |", "|---|---:|---:|"]
    for server, named in SERVERS.items():
        idle = rows.median(kept, "idle_mib", server=server)
        loaded = max(rows.median(kept, "loaded_mib", server=server, workload=workload) for workload in WORKLOADS)
        lines.append(f"| {named} | {idle:.0f} MiB | {loaded:.0f} MiB |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load that is measured")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds of load before that")
    parser.add_argument("--fast", action="store_true", help=f"one turn of one second each; results are kept in {FAST}")
    options = parser.parse_args()
    if options.fast:
        options.turns = options.seconds = options.warm_up = 1
        bed.RESULTS = bed.ROOT / FAST
    subprocess.run([bed.ROOT / "tests/images/build.sh", bed.IMAGE], check=True)
    kept = []
    with bed.host(HOST):
        bench = Bench(options.seconds, options.warm_up)
        for turn in range(options.turns):
            for place, workload in enumerate(WORKLOADS):
                for server in order(turn, place):
                    kept.append(bench.measure(turn, workload, server))
                    print(", ".join(f"{key} {value}" for key, value in kept[-1].items()), flush=True)
            rows.write(RESULTS, kept)
            rows.write(RATIOS, ratios(kept))
    print(table())
    if errors := sum(line["errors"] for line in kept):
        raise SystemExit(f"{errors} requests got no answer, or a wrong one: see the column errors")


if __name__ == "__main__":
    main()
