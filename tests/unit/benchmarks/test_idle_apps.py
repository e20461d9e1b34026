"""The figures of docs/box.md for apps that sleep are those of the committed results."""

import importlib
import sys

import pytest
from test_readme import ROOT


@pytest.fixture
def idle_apps(monkeypatch):
    """benchmarks/idle_apps.py, which imports its neighbours."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("idle_apps")
    for name in ("idle_apps", "rows", "bed"):
        sys.modules.pop(name, None)


def test_the_table_is_that_of_the_results(idle_apps):
    page = (ROOT / "docs/box.md").read_text(encoding="utf-8")
    assert idle_apps.table() in page, "put in what benchmarks/idle_apps.py prints"


def test_half_of_the_apps_may_sleep(idle_apps):
    spans = [entry["idle"] for entry in idle_apps.entries()]
    assert spans == [0] * idle_apps.APPS + [idle_apps.IDLE] * idle_apps.APPS
