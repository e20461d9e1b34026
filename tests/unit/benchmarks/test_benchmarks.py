"""README's figures are those of the committed results."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def table(monkeypatch):
    """benchmarks/table.py, which imports its neighbours."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import table

    yield table
    for name in ("bed", "first_run", "unchanged_run", "table"):
        sys.modules.pop(name)


def test_readme_has_the_table_of_the_results(table):
    assert len(table.table().splitlines()) > 2, "no results are committed"
    assert table.table() in (ROOT / "README.md").read_text(encoding="utf-8"), "put in what benchmarks/table.py prints"


def test_a_ratio_is_that_of_the_medians(table):
    assert table.bed.ratio({"a": [1, 9, 3], "b": [2, 2, 50]}, "a", "b") == 1.5
