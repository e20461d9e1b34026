"""Results of which a row has more than seconds: one CSV file for each script, with a head."""

from __future__ import annotations

import csv
import statistics

import bed

Row = dict[str, str]


def read(name: str) -> list[Row]:
    """The committed results."""
    with (bed.RESULTS / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def write(name: str, rows: list[Row]) -> None:
    """Put results into a file in the place of what it held."""
    bed.RESULTS.mkdir(exist_ok=True)
    with (bed.RESULTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def median(rows: list[Row], figure: str, **which: str) -> float:
    """The median of a figure over the rows that are ``which``."""
    return statistics.median(float(row[figure]) for row in rows if which.items() <= row.items())
