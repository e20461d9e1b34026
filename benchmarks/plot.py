#!/usr/bin/env python3
"""Draw README's plot from the committed results: python3 -m venv V && V/bin/pip install -r benchmarks/requirements.txt && V/bin/python benchmarks/plot.py"""

from __future__ import annotations

import hashlib

import bed
import matplotlib.pyplot as plt
import releases
import rows

SIZE = (9, 3.6)  # inches, at DPI: 900 pixels wide, as README shows it
DPI = 100
COLOURS = {releases.GOOD: "#0072b2", releases.BROKEN: "#d55e00"}  # told apart by the colour-blind too (Okabe and Ito)
BAR = 0.38  # of the room a way has


def draw() -> None:
    """A panel for each figure, in it a pair of bars for each way; the bar's number stands beside it."""
    kept = rows.read("releases")
    figure, panels = plt.subplots(1, len(releases.FIGURES), figsize=SIZE, dpi=DPI, sharey=True, layout="constrained")
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
    # What it was drawn from, so that a test can tell whether the plot is that of the results.
    digest = hashlib.sha256((bed.RESULTS / "releases.csv").read_bytes()).hexdigest()
    figure.savefig(bed.RESULTS / "releases.png", metadata={"Source": f"releases.csv, SHA-256 {digest}"})


if __name__ == "__main__":
    draw()
