#!/usr/bin/env python3
"""What open streams cost: memory, how long a message takes to each of them, and how long each is away across a release.

One host, one nginx, the example's live pages (examples/live) served by threads, by greenlets (concurrency: gevent) and by gunicorn with gevent,
each with a process for each core. Only the measured server runs; the servers take turns. gunicorn's release is its reload (SIGHUP).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import bed
import rows

HOST = "emperor-benchmark-streams"
RESULTS = "streams"
FAST = ".ansible/benchmarks"  # where the results of a quick run are kept
THREADS, GEVENT, GUNICORN = "threads", "greenlets", "gunicorn"
SERVERS = {THREADS: "emperor.flask, threads", GEVENT: "emperor.flask, gevent", GUNICORN: "gunicorn, gevent"}
UNITS = {name: f"uwsgi-emperor@{name}" for name in (THREADS, GEVENT)} | {GUNICORN: "rival-gunicorn"}
# Event streams and websockets that are open.
WORKLOADS = {
    "100 event streams": (100, 0),
    "1,000 event streams": (1000, 0),
    "5,000 event streams": (5000, 0),
    "1,000 event streams, 1,000 websockets": (1000, 1000),
}
ROOM = 0.75  # of all streams that a process may have, where two share them
CALM = 10  # seconds of ordinary requests, without streams and beside them
MESSAGES = 5


class Bench:
    """The host, and the app's code for each server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.released = folder, 0
        live = bed.ROOT / "examples/live"
        for name in SERVERS:
            shutil.copytree(live, folder / name)
            if name != THREADS:
                with (folder / name / "requirements.txt").open("a") as packages:
                    packages.write("gevent==26.9.0\n")
        bed.site(HOST, flask_apps=[self.entry(name, 100) for name in (THREADS, GEVENT)])
        bed.run(["docker", "exec", HOST, "mkdir", "/srv/streams"])
        bed.run(["docker", "cp", str(folder / GUNICORN), f"{HOST}:/srv/streams/app"])
        here = Path(__file__)
        for name in ("request_rivals.txt", "request_load.py", "streams_load.py"):
            bed.run(["docker", "cp", str(here.with_name(name)), f"{HOST}:/srv/streams/"])
        self.stop()

    def entry(self, name: str, streams: int) -> dict:
        """An entry of flask_apps."""
        way = {"concurrency": "gevent"} if name == GEVENT else {"threads": 16}
        return {
            "name": name,
            "module": "live:app",
            "source": {"path": str(self.folder / name)},
            "server_names": [f"{name}.test"],
            "streams": streams,
            "shared": ["instance"],
            "limits": {"files": 65536},
            **way,
        }

    def stop(self) -> None:
        """No server runs afterwards."""
        subprocess.run(["docker", "exec", HOST, "systemctl", "stop", *UNITS.values()], capture_output=True, check=False)

    def release(self, name: str, streams: int, first: bool) -> None:
        """Release another version; ``first``, with room for so many streams in each process."""
        if name == GUNICORN and first:
            with Path(__file__).with_name("streams_rival.sh").open() as script:
                bed.run(["docker", "exec", "--interactive", HOST, "sh", "-s", str(streams)], stdin=script)
        elif name == GUNICORN:
            bed.run(["docker", "exec", HOST, "systemctl", "reload", UNITS[GUNICORN]])
        else:
            self.released += 1
            (self.folder / name / "VERSION").write_text(f"{self.released}\n")
            bed.ansible("ansible-playbook", HOST, "playbooks/deploy.yml", flask_apps=[self.entry(name, streams)])

    def measure(self, turn: int, workload: str, name: str) -> rows.Row:
        """Open the streams, measure beside them, and release."""
        events, sockets = WORKLOADS[workload]
        room = int(ROOM * (events + sockets))
        self.release(name, room, first=True)
        script = ["python3", "-B", "/srv/streams/streams_load.py", f"{name}.test", name, str(events), str(sockets)]
        argv = ["docker", "exec", "--interactive", HOST, *script]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:

            def ask(command: str) -> dict[str, float]:
                load.stdin.write(f"{command}\n")
                load.stdin.flush()
                line = load.stdout.readline()
                if not line:
                    raise SystemExit(f"{workload}: {name}: '{command}' failed")
                return json.loads(line)

            alone, idle = ask(f"ordinary {CALM}"), ask("memory")
            ask("open")
            told, beside = ask(f"tell {MESSAGES}"), ask(f"ordinary {CALM}")
            memory = ask("memory")
            ask("across")
            self.release(name, room, first=False)
            back = ask("back")
            load.stdin.close()
        self.stop()
        return {
            "turn": turn,
            "streams": workload,
            "server": name,
            "idle_mib": round(idle["mib"], 1),
            "open_mib": round(memory["mib"], 1),
            "p99_times": round(beside["p99"] / alone["p99"], 2),
            "message_ms": round(told["median"], 1),
            "message_p99_ms": round(told["p99"], 1),
            "away_ms": round(back["median"]),
            "away_most_ms": round(back["slowest"]),
            "lost": back["lost"],
            "doubled": back["doubled"],
            "requests_failed": sum(seen["failed"] for seen in (alone, beside, back)),
        }


def table() -> str:
    """README's table of the results."""
    kept = rows.read(RESULTS)
    lines = [
        "| open | server | memory without, with | a message: median, p99 | other requests' p99 | away across a release: median, longest | lost, doubled |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for workload in WORKLOADS:
        for name, named in SERVERS.items():
            of = lambda figure: rows.median(kept, figure, streams=workload, server=name)  # noqa: E731, B023
            cells = [
                f"{of('idle_mib'):.0f}, {of('open_mib'):.0f} MiB",
                f"{of('message_ms'):,.0f}, {of('message_p99_ms'):,.0f} ms",
                f"{of('p99_times'):.2f} times",
                f"{of('away_ms') / 1000:.1f}, {of('away_most_ms') / 1000:.1f} s",
                f"{of('lost'):,.0f}, {of('doubled'):,.0f}",
            ]
            lines.append(f"| {' | '.join([workload, named, *cells])} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--fast", action="store_true", help=f"one turn of 100 streams; results are kept in {FAST}")
    options = parser.parse_args()
    workloads = list(WORKLOADS)
    if options.fast:
        options.turns, workloads, bed.RESULTS = 1, workloads[:1], bed.ROOT / FAST
    subprocess.run([bed.ROOT / "tests/images/build.sh", bed.IMAGE], check=True)
    kept = []
    with tempfile.TemporaryDirectory() as folder, bed.host(HOST):
        bench = Bench(Path(folder))
        for turn in range(options.turns):
            for workload in workloads:
                for name in list(SERVERS)[:: -1 if turn % 2 else 1]:
                    kept.append(bench.measure(turn, workload, name))
                    print(", ".join(f"{key} {value}" for key, value in kept[-1].items()), flush=True)
            rows.write(RESULTS, kept)
    if not options.fast:
        print(table())


if __name__ == "__main__":
    main()
