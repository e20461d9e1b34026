"""Which releases stay: the live one always, the last ones by when they were deployed, none that never served."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import unit_files
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import COMPLETE, Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import retention, static_files
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from hypothesis import given
from hypothesis import strategies as st

IDS = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", "dddddddddddd", "eeeeeeeeeeee", "ffffffffffff"]
KINDS = ("deployed", "withdrawn", "staged")


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """No vassal runs, unless a test says so."""
    monkeypatch.setattr(activations, "running", lambda layout: [])


def make(root, kinds, live):
    """An app whose releases were made one after the other; each has code and static files of its own, and all share their packages."""
    layout = Layout("shop", str(root))
    for folder in (layout.run, layout.codes, layout.venvs, layout.statics, layout.releases):
        Path(folder).mkdir(parents=True)
    for order, (name, kind) in enumerate(zip(IDS, kinds)):
        release = Path(layout.release(name))
        release.mkdir()
        for store, link in ((layout.codes, "code"), (layout.venvs, "venv"), (layout.statics, "static")):
            entry = "common" if link == "venv" else f"{name}-{link}"
            Path(store, entry).mkdir(exist_ok=True)
            (release / link).symlink_to(f"../../{os.path.basename(store)}/{entry}")
        marks = {"withdrawn": retention.mark_withdrawn, "staged": retention.mark_staged}
        if kind in marks:
            marks[kind](layout, name)
        else:
            os.utime(release, ns=(order + 10**18, order + 10**18))
    if live is not None:
        os.symlink(f"releases/{IDS[live]}", layout.current)
    return layout


def there(layout):
    return sorted(os.listdir(layout.releases))


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), keep=st.integers(1, 6), live=st.integers(0, 5))
def test_the_live_release_and_the_last_ones_stay_with_what_they_need(tmp_path_factory, kinds, keep, live):
    live %= len(kinds)
    layout = make(tmp_path_factory.mktemp("host"), kinds, live)
    before = retention.served(layout)
    retention.prune(layout, keep)
    stayed = there(layout)
    assert IDS[live] in stayed
    assert len(stayed) <= keep
    others = [name for name in before if name != IDS[live]]
    assert set(stayed) == {IDS[live], *others[: keep - 1]}
    assert sorted(os.listdir(layout.codes)) == [f"{name}-code" for name in stayed]
    assert sorted(os.listdir(layout.statics)) == [f"{name}-static" for name in stayed]
    assert os.listdir(layout.venvs) == ["common"]
    retention.prune(layout, keep)
    assert there(layout) == stayed


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6), live=st.integers(0, 5))
def test_a_rollback_goes_to_the_last_that_was_deployed_before_and_not_rolled_back(tmp_path_factory, kinds, live):
    live %= len(kinds)
    layout = make(tmp_path_factory.mktemp("host"), kinds, live)
    expected = [name for name, kind in zip(IDS, kinds) if kind == "deployed"]
    if kinds[live] == "deployed":
        expected = expected[: expected.index(IDS[live])]
    elif kinds[live] == "withdrawn":
        expected = []
    assert retention.before(layout, IDS[live]) == (expected[-1] if expected else None)


def test_a_release_whose_vassal_still_finishes_requests_stays(tmp_path, monkeypatch):
    layout = make(tmp_path, ["deployed", "deployed", "deployed", "staged"], 2)
    monkeypatch.setattr(
        activations, "running", lambda layout: [activations.Activation(IDS[0], 1), activations.Activation(IDS[3], 4)]
    )
    retention.prune(layout, 1)
    assert there(layout) == [IDS[0], IDS[2]]


def test_static_files_stay_while_nginx_is_led_to_them(tmp_path):
    layout = make(tmp_path, ["deployed", "deployed", "deployed"], 2)
    static_files.settle(layout, f"{IDS[1]}-static")
    static_files.settle(layout, f"{IDS[2]}-static")
    retention.prune(layout, 1)
    assert there(layout) == [IDS[2]]
    assert os.listdir(layout.codes) == [f"{IDS[2]}-code"]
    assert sorted(os.listdir(layout.statics)) == [f"{IDS[1]}-static", f"{IDS[2]}-static", "current", "previous"]


def test_after_a_failure_only_what_never_served_goes(tmp_path):
    layout = make(tmp_path, ["deployed", "deployed", "staged"], 1)
    assert retention.debris(layout)
    retention.prune(layout, None)
    assert there(layout) == IDS[:2]
    assert not retention.debris(layout)


def test_the_environment_of_a_release_that_failed_stays_for_the_next_try_until_one_succeeds(tmp_path):
    layout = make(tmp_path, ["deployed"], 0)
    for name in ("first", "half", "second"):
        Path(layout.venv(name)).mkdir()
        if name != "half":
            Path(layout.venv(name), COMPLETE).touch()
    retention.prune(layout, None)
    assert sorted(os.listdir(layout.venvs)) == ["common", "second"]
    assert not retention.debris(layout)
    retention.prune(layout, 5)
    assert os.listdir(layout.venvs) == ["common"]


@pytest.mark.parametrize(("build", "stays"), [(["flask digest compile"], True), ([], False)])
def test_the_code_that_hooks_have_built_for_a_release_that_failed_stays_too(tmp_path, build, stays):
    layout = make(tmp_path, ["deployed", "staged"], 0)
    Path(layout.release(IDS[1]), "manifest.json").write_text(
        json.dumps({"schema": 2, "health": {}, "hooks": {"build": build}})
    )
    retention.mark_staged(layout, IDS[1])
    retention.prune(layout, None)
    assert there(layout) == IDS[:1]
    assert (f"{IDS[1]}-code" in os.listdir(layout.codes)) == stays
    retention.prune(layout, 5)
    assert os.listdir(layout.codes) == [f"{IDS[0]}-code"]


def test_half_of_an_entry_goes(tmp_path):
    layout = make(tmp_path, ["deployed"], 0)
    Path(layout.codes, "cafe.partial").mkdir()
    Path(layout.statics, "cafe.partial").mkdir()
    assert retention.debris(layout)
    retention.prune(layout, 5)
    assert not retention.debris(layout)


def test_what_a_run_was_killed_over_goes_and_takes_no_copy_of_secrets_along(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_files, "FOLDER", str(tmp_path / "units"))
    layout = make(tmp_path, ["deployed"], 0)
    live = f"{IDS[0]}.1"
    unit = f"emperor-worker-shop-jobs-{live}.service"
    stays = [Path(layout.secrets, "1"), Path(layout.vassals, f"{live}.ini"), Path(unit_files.FOLDER, unit)]
    begun = [Path(layout.secrets, "2.emperor-new"), Path(layout.secrets, f"background-{IDS[0]}.2.emperor-new")]
    begun += [Path(layout.vassals, f"{IDS[0]}.2.ini.emperor-new"), Path(unit_files.FOLDER, f"{unit}.emperor-new")]
    begun.append(Path(unit_files.FOLDER, unit_files.WANTS, f"{unit}.emperor-new"))
    for path in [*stays, *begun]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert unit_files.of_app(layout) == [unit] and unit_files.linked(layout) == []
    assert retention.debris(layout)
    retention.prune(layout, None)
    assert [path.exists() for path in [*stays, *begun]] == [True] * len(stays) + [False] * len(begun)
    assert not retention.debris(layout)


def test_what_an_app_puts_beside_its_sockets_stays_and_disturbs_nothing(tmp_path):
    layout = make(tmp_path, ["deployed", "staged"], 0)
    Path(layout.run, "aa.1.sock").mkdir()
    Path(layout.run, f"{IDS[1]}.7.sock").touch()
    retention.prune(layout, 5)
    assert there(layout) == IDS[:1]
    assert sorted(os.listdir(layout.run)) == ["aa.1.sock", f"{IDS[1]}.7.sock"]


@given(clock=st.lists(st.integers(0, 4 * 10**9), min_size=6, max_size=6))
def test_the_order_is_that_of_the_deployments_whatever_the_clock_says(tmp_path_factory, clock):
    layout = make(tmp_path_factory.mktemp("host"), ["staged"] * 6, None)
    for name, second in zip(IDS, clock):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time_ns", lambda second=second: second * 10**9)
            retention.mark_served(layout, name)
    listed = subprocess.run(["ls", "-t", layout.releases], capture_output=True, text=True, check=True).stdout.split()
    assert retention.served(layout) == listed == IDS[::-1]
    assert retention.before(layout, IDS[5]) == IDS[4]


def test_the_same_release_again_and_again_does_not_run_ahead_of_the_clock(tmp_path):
    layout = make(tmp_path, ["deployed", "staged"], 1)
    for _ in range(3):
        retention.mark_served(layout, IDS[1])
    assert os.stat(layout.release(IDS[1])).st_mtime_ns <= time.time_ns()
