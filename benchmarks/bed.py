"""Fresh hosts to measure on, stopwatch, and the files that results are kept in."""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
IMAGE = "debian-13"
# The settings under which systemd runs as PID 1 with its sandboxing; molecule/default/molecule.yml has the same.
SYSTEMD = [
    *(
        "--cap-add",
        "SYS_ADMIN",
        "--cap-add",
        "SYS_PTRACE",
        "--cgroupns",
        "host",
        "--security-opt",
        "apparmor=unconfined",
    ),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
]
BOOT = 60  # seconds a host may take to boot
ANSWER = 60  # seconds a host may take to serve once everything is in its place

Measured = dict[str, list[float]]  # seconds by what was measured


def run(argv: list[str], **options: object) -> str:
    """Return what a command prints; when it fails, say so with what it printed."""
    done = subprocess.run(argv, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout[-5000:]}")
    return done.stdout


@contextmanager
def host(name: str) -> Iterator[str]:
    """A fresh host that has booted; taken away at the end."""
    run(["docker", "rm", "--force", "--volumes", name])
    run(["docker", "run", "--detach", "--name", name, "--hostname", name, *SYSTEMD, f"emperor-test/{IMAGE}"])
    try:
        asked = ["docker", "exec", name, "systemctl", "is-system-running", "--quiet"]
        until(lambda: subprocess.run(asked, capture_output=True).returncode == 0, BOOT, f"{name} does not boot")
        yield name
    finally:
        run(["docker", "rm", "--force", "--volumes", name])


def served(name: str) -> None:
    """Return once the host answers with the tutorial's page."""
    asked = ["docker", "exec", name, "curl", "--silent", "--header", "Host: localhost", "http://127.0.0.1/"]
    page = "Hello World!"
    until(
        lambda: subprocess.run(asked, capture_output=True, text=True).stdout == page, ANSWER, f"{name} does not serve"
    )


def until(condition: Callable[[], bool], seconds: int, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{otherwise} within {seconds} s")
        time.sleep(0.1)


def ansible(program: str, name: str, *arguments: str, **variables: object) -> None:
    """Run ansible or ansible-playbook against the host, as from a checkout, with the tutorial's app and these variables."""
    app = {"name": "demoapp", "module": "hello:app", "source": {"path": str(ROOT / "examples/demoapp")}}
    options = {"ansible_connection": "community.docker.docker", "flask_apps": [app], "nginx_origin": "distribution"}
    inventory = {"flask_servers": {"hosts": {name: options | variables}}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(inventory, file)
        file.flush()
        path = f"{ROOT}/.venv/bin:{os.environ['PATH']}"
        run([program, "-i", file.name, *arguments], env={**os.environ, "PATH": path})


def site(name: str, **variables: object) -> None:
    """Run site.yml against the host."""
    ansible("ansible-playbook", name, "site.yml", **variables)


def repetitions(description: str | None) -> int:
    """Read how often a script is to measure from its command line, and build the host's image."""
    return options(description).repetitions


def options(description: str | None, repetitions: int = 3, fast: str | None = None) -> argparse.Namespace:
    """Read a script's command line, and build the host's image; ``fast`` says what --fast means, where there is that."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repetitions", type=int, default=repetitions)
    if fast:
        parser.add_argument("--fast", action="store_true", help=fast)
    given = parser.parse_args()
    subprocess.run([ROOT / "tests/images/build.sh", IMAGE], check=True)
    return given


def seconds(deed: Callable[[], None]) -> float:
    """How long a deed takes."""
    begin = time.monotonic()
    deed()
    return time.monotonic() - begin


def taken_in_turn(deeds: dict[str, Callable[[], float]], repetitions: int, file: str | None = None) -> Measured:
    """Measure all deeds again and again, every other time in reverse, so that none is always the first; keep results in ``file``."""
    measured: Measured = {name: [] for name in deeds}
    for repetition in range(repetitions):
        for name in list(deeds)[:: -1 if repetition % 2 else 1]:
            measured[name].append(deeds[name]())
            print(f"{name}: {measured[name][-1]:.1f} s", flush=True)
        if file:
            write(file, measured)
    return measured


def read(name: str) -> Measured:
    """The results in a file; none if there is no such file."""
    measured: Measured = {}
    if (file := RESULTS / f"{name}.csv").exists():
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                measured.setdefault(row["measured"], []).append(float(row["seconds"]))
    return measured


def write(name: str, measured: Measured) -> None:
    """Put results into a file in the place of what it held."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["measured", "seconds"])
        rows.writerows([key, f"{value:.2f}"] for key, values in measured.items() for value in values)


def ratio(measured: Measured, one: str, other: str) -> float:
    """How many times as long one took as the other, by their medians."""
    return statistics.median(measured[one]) / statistics.median(measured[other])
