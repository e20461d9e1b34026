#!/usr/bin/env python3
"""What rarely used apps take, with `idle` and without: memory while nobody asks, and how long the first answer takes.

One host with the tutorial's app under many names, two processes each; half of the apps may sleep. All are asked, then left alone until those sleep.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import bed
import rows

HOST = "emperor-benchmark-idle"
RESULTS = "idle_apps"
KINDS = {"awake": "without `idle`", "asleep": "with `idle`"}
IDLE = 10  # seconds
APPS = 5  # of each kind
TURNS = 3
ASLEEP = f'test $(flask-app --json | grep -c \'"web": "asleep"\') = {APPS}'
FIGURES = ("slice_mib", "pss_mib", "first_ms")


def entries() -> list[dict[str, object]]:
    """The entries of flask_apps."""
    app = {"module": "hello:app", "source": {"path": str(bed.ROOT / "examples/demoapp")}, "processes": 2}
    return [
        {**app, "name": name, "server_names": [f"{name}.test"], "idle": IDLE if kind == "asleep" else 0}
        for kind in KINDS
        for name in (f"{kind}{number}" for number in range(APPS))
    ]


def look() -> list[dict[str, float]]:
    """What the host measures: first the memory of all apps, then their first answers, one after the other."""
    script = Path(__file__).with_name("idle_apps_look.py").read_text()
    names = [entry["name"] for entry in entries()]
    return json.loads(bed.run(["docker", "exec", HOST, "python3", "-c", script, *names]))


def measure(turn: int) -> list[rows.Row]:
    """Wait until half of the apps sleep, and look."""
    bed.until(
        lambda: subprocess.run(["docker", "exec", HOST, "sh", "-c", ASLEEP], capture_output=True).returncode == 0,
        600,
        f"{APPS} apps do not fall asleep",
    )
    return [
        {
            "turn": turn,
            "app": seen["app"].rstrip("0123456789"),
            **{figure: round(seen[figure], 2) for figure in FIGURES},
        }
        for seen in look()
    ]


def table() -> str:
    """The table of docs/box.md."""
    kept = rows.read(RESULTS)
    lines = ["| an app | memory of its slice | memory of its processes (PSS) | first answer |", "|---|---:|---:|---:|"]
    for kind, named in KINDS.items():
        slice_, pss, first = (rows.median(kept, figure, app=kind) for figure in FIGURES)
        lines.append(f"| {named} | {slice_:.1f} MiB | {pss:.1f} MiB | {first:,.0f} ms |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    subprocess.run([bed.ROOT / "tests/images/build.sh", bed.IMAGE], check=True)
    kept = []
    with bed.host(HOST):
        bed.site(HOST, flask_apps=entries())
        for turn in range(TURNS):
            kept += measure(turn)
    rows.write(RESULTS, kept)
    print(table())


if __name__ == "__main__":
    main()
