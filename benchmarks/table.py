#!/usr/bin/env python3
"""Print README's table of what runs cost, from the committed results; a unit test holds the two equal."""

from __future__ import annotations

import statistics

import bed
import first_run
import unchanged_run

# Results, run, what it is compared with, and how README calls the two.
ROWS = [
    ("first_run", first_run.COLD, first_run.TUTORIAL, "first run, uWSGI to be built", "the tutorial's commands"),
    (
        "first_run",
        first_run.WARM,
        first_run.TUTORIAL,
        "first run, uWSGI's wheel on the controller",
        "the tutorial's commands",
    ),
    (
        "unchanged_run",
        unchanged_run.SITES[1],
        unchanged_run.NGINX,
        "run that changes nothing",
        "a role's tasks for nginx alone",
    ),
    ("unchanged_run", unchanged_run.SITES[1], unchanged_run.PING, "run that changes nothing", "`ansible -m ping`"),
    *(
        (
            "unchanged_run",
            unchanged_run.SITES[apps],
            unchanged_run.SITES[1],
            f"the same with {apps} apps",
            "that with one",
        )
        for apps in (10, 50)
    ),
]


def table() -> str:
    """The rows that there are results for, each with both medians and their ratio."""
    lines = ["| `site.yml` | median | beside | median | ratio |", "|---|---|---|---|---|"]
    for file, run, other, named, beside in ROWS:
        if not (measured := bed.read(file)):
            continue
        medians = [f"{statistics.median(measured[key]):.1f} s" for key in (run, other)]
        lines.append(f"| {named} | {medians[0]} | {beside} | {medians[1]} | {bed.ratio(measured, run, other):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
