"""README's figures of releases, requests, streams, many apps and fleets are those of the committed results, and so are its plots."""

import hashlib
import struct
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "benchmarks/results"


@pytest.fixture(params=["releases", "round_trips", "request_path", "streams", "many_apps", "fleet"])
def script(request, monkeypatch):
    """A script of benchmarks, which imports its neighbours."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield __import__(request.param)
    for name in ("bed", "rows", "many_apps", "request_path", request.param):
        sys.modules.pop(name, None)


def texts(png):
    """The tEXt chunks of a PNG (PNG specification, section 11.3.3.2), by keyword."""
    found, at = {}, 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"tEXt":
            keyword, _, text = png[at + 8 : at + 8 + length].partition(b"\0")
            found[keyword.decode("latin-1")] = text.decode("latin-1")
        at += 12 + length
    return found


def test_readme_has_the_table_of_the_results(script):
    assert len(script.table().splitlines()) > 2
    assert script.table() in README, f"put in what this prints:\n{script.table()}"


@pytest.mark.parametrize("script", ["fleet"], indirect=True)
def test_the_page_of_fleets_has_the_model_of_the_results(script):
    page = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    assert script.model() in page, f"put in what this prints:\n{script.model()}"


@pytest.mark.parametrize("name", ["releases", "request_path"])
def test_the_plot_was_drawn_from_the_results(name):
    assert f"](https://raw.githubusercontent.com/emperor/flask/main/benchmarks/results/{name}.png)" in README
    digest = hashlib.sha256((RESULTS / f"{name}.csv").read_bytes()).hexdigest()
    said = texts((RESULTS / f"{name}.png").read_bytes())["Source"]
    assert digest in said, "run benchmarks/plot.py"
