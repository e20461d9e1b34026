#!/usr/bin/env python3
"""Draw README's plots from the committed results: python3 -m venv V && V/bin/pip install -r benchmarks/requirements.txt && V/bin/python benchmarks/plot.py"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import bed
import matplotlib.pyplot as plt
import releases
import request_path
import rows
from matplotlib.figure import Figure

WIDTH = 9  # inches, at DPI: 900 pixels wide, as README shows it
DPI = 100
COLOURS = {releases.GOOD: "#0072b2", releases.BROKEN: "#d55e00"}  # told apart by the colour-blind too (Okabe and Ito)
SERVERS = {request_path.OURS: "#0072b2", request_path.GRANIAN: "#d55e00", request_path.GUNICORN: "#999999"}
BAR = 0.38  # of the room a way has
NARROW = 0.27  # of the room a workload has


def draw_releases() -> None:
    """A panel for each figure, in it a pair of bars for each way; the bar's number stands beside it."""
    kept = rows.read("releases")
    figure, panels = plt.subplots(
        1, len(releases.FIGURES), figsize=(WIDTH, 3.6), dpi=DPI, sharey=True, layout="constrained"
    )
    for panel, (column, title) in zip(panels, releases.FIGURES.items()):
        for offset, case in zip((-BAR / 2, BAR / 2), releases.CASES):
            values = [rows.median(kept, column, way=way, release=case) for way in releases.WAYS]
            places = [place + offset for place in range(len(values))]
            bars = panel.barh(places, values, BAR, color=COLOURS[case], label=f"release: {case}")
            panel.bar_label(bars, [releases.shown(column, value) for value in values], padding=3)
        panel.set_title(title)
        panel.margins(x=0.18)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(releases.WAYS)), releases.WAYS.values())
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, "releases")


def draw_requests() -> None:
    """A panel for each figure, in it a bar for each server at each workload: as long as its ratio to granian; beside it the figure itself."""
    kept = rows.read(request_path.RESULTS)
    figure, panels = plt.subplots(
        1, len(request_path.PLOTTED), figsize=(WIDTH, 5), dpi=DPI, sharey=True, layout="constrained"
    )
    for panel, column in zip(panels, request_path.PLOTTED):
        for offset, (server, named) in zip((-NARROW, 0, NARROW), request_path.SERVERS.items()):
            ratios = [
                request_path.ratio(kept, column, workload, server, request_path.GRANIAN)
                for workload in request_path.WORKLOADS
            ]
            medians = [
                rows.median(kept, column, workload=workload, server=server) for workload in request_path.WORKLOADS
            ]
            places = [place + offset for place in range(len(ratios))]
            bars = panel.barh(places, ratios, NARROW, color=SERVERS[server], label=named)
            panel.bar_label(bars, [request_path.shown(column, value) for value in medians], padding=3)
        panel.set_title(request_path.FIGURES[column])
        panel.set_xlabel("granian = 1")
        panel.margins(x=0.18)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(
        range(len(request_path.WORKLOADS)), [name.replace(", ", "\n") for name in request_path.WORKLOADS]
    )
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    save(figure, request_path.RESULTS)


def save(figure: Figure, name: str) -> None:
    """Put a plot beside its results, with what it was drawn from, so that a test can tell whether it is that of the results."""
    digest = hashlib.sha256((bed.RESULTS / f"{name}.csv").read_bytes()).hexdigest()
    figure.savefig(bed.RESULTS / f"{name}.png", metadata={"Source": f"{name}.csv, SHA-256 {digest}"})


def main() -> None:
    """Draw what there are results for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=bed.RESULTS, help="the folder of results and plots")
    bed.RESULTS = parser.parse_args().results
    for name, draw in {"releases": draw_releases, request_path.RESULTS: draw_requests}.items():
        if (bed.RESULTS / f"{name}.csv").exists():
            draw()


if __name__ == "__main__":
    main()
