"""One step for several apps: an error is one app's, the others are done, their locks are freed, and all errors are told."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import audit
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change, program, reloader
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock
from ansible_collections.emperor.flask.plugins.modules import release_on_host

ALICE, BOB = {"token": "boot/1/10", "name": "alice@laptop"}, {"token": "boot/2/20", "name": "bob@desk"}
NAMES = ("blog", "hostile", "shop")
NOTED = []  # what was written down


class Ended(Exception):
    """The module said its result."""


@pytest.fixture
def step(monkeypatch, tmp_path):
    """Run a step of Alice's for three apps, of which one cannot; returns the result and the apps that it was done for."""
    monkeypatch.setattr(release_on_host, "Layout", lambda name: Layout(name, str(tmp_path)))
    monkeypatch.setattr(reloader, "OWED", str(tmp_path / "owed"))
    monkeypatch.setattr(group_change, "leave_old_groups", lambda: None)
    monkeypatch.setattr(program, "master", lambda: 1)
    monkeypatch.setattr(audit, "note", lambda app, what, by, **more: NOTED.append((app, what, by, more)))
    NOTED.clear()

    def step(name, owner=ALICE):
        done, ended = [], {}

        def take(_step, item, _secrets):
            if item["name"] == "hostile":
                raise Refusal("there is a folder in the place of a socket")
            done.append(item["name"])
            return {"archive": None} if _step == "remove" else item["name"]

        def end(**result):
            ended.update(result)
            raise Ended

        items = [{"name": name, "activation": None, "before": None} for name in NAMES]
        request = {"step": name, "apps": items, "owner": owner}
        module = SimpleNamespace(
            params={"request": request, "secrets": {}},
            check_mode=False,
            exit_json=end,
            fail_json=lambda **said: end(failed=True, **said),
        )
        monkeypatch.setattr(release_on_host, "AnsibleModule", lambda **_: module)
        monkeypatch.setattr(release_on_host, "_take", take)
        with pytest.raises(Ended):
            release_on_host.main()
        return ended, done

    return step


def holds(tmp_path, name):
    """Whether an app's lock says a holder."""
    path = Layout(name, str(tmp_path)).lock
    return os.path.exists(path) and os.path.getsize(path) > 0


@pytest.mark.parametrize("name", ["stage", "candidate", "switch", "retire", "revert", "remove"])
def test_an_error_of_one_app_keeps_no_other_from_ending_well(step, name):
    result, done = step(name)
    assert sorted(done) == ["blog", "shop"]
    assert result["failures"] == {"hostile": "app 'hostile': there is a folder in the place of a socket"}
    assert set(result["by_app"]) == {"blog", "shop"}


@pytest.mark.parametrize("name", ["retire", "revert", "remove"])
def test_the_last_step_frees_every_lock(step, tmp_path, name):
    step(name)
    assert [holds(tmp_path, one) for one in NAMES] == [False] * 3


def test_a_step_that_begins_leaves_no_lock_where_it_cannot_have_all(step, tmp_path):
    with app_lock.held(Layout("shop", str(tmp_path)).lock, BOB, []):
        pass
    result, done = step("stage")
    assert done == []
    assert result["msg"].startswith("app 'shop': bob@desk is releasing it")
    assert [holds(tmp_path, one) for one in NAMES] == [False, False, True]


def test_the_lock_of_the_name_that_an_app_had_before_is_held_and_freed_too(monkeypatch, tmp_path):
    monkeypatch.setattr(release_on_host, "Layout", lambda name: Layout(name, str(tmp_path)))
    item = {"name": "store", "renamed_from": "shop"}
    params = {"step": "stage", "apps": [item], "owner": ALICE, "dead": []}
    with ExitStack() as locks:
        assert release_on_host._locked(locks, params) == [item]
    assert [holds(tmp_path, name) for name in ("store", "shop")] == [True, True]
    with ExitStack() as locks, pytest.raises(app_lock.Taken, match="app 'store': alice@laptop is releasing it"):
        release_on_host._locked(locks, {**params, "owner": BOB})
    app_lock.free(Layout("store", str(tmp_path)).lock)
    with ExitStack() as locks, pytest.raises(app_lock.Taken, match="app 'shop': alice@laptop is releasing it"):
        release_on_host._locked(locks, {**params, "owner": BOB})
    assert [holds(tmp_path, name) for name in ("store", "shop")] == [False, True]
    with ExitStack() as locks:
        assert release_on_host._locked(locks, {**params, "owner": BOB, "step": "revert"}) == []
    assert [holds(tmp_path, name) for name in ("store", "shop")] == [False, True]


def test_what_was_done_is_written_down_with_who_did_it_and_what_failed_is_not(step):
    step("remove")
    assert NOTED == [("blog", "removed", "alice@laptop", {}), ("shop", "removed", "alice@laptop", {})]
    NOTED.clear()
    step("retire")
    assert [(app, what) for app, what, _by, _more in NOTED] == [("blog", "release"), ("shop", "release")]
    NOTED.clear()
    step("revert")
    assert NOTED == []


@pytest.mark.parametrize(
    ("name", "together"), [("stage", True), ("candidate", True), ("switch", False), ("retire", False)]
)
def test_what_waits_for_programs_is_done_side_by_side_and_the_rest_one_after_the_other(monkeypatch, name, together):
    meeting, seen = threading.Barrier(2), []

    def take(_step, item, _known):
        try:
            meeting.wait(timeout=5 if together else 0.2)
            seen.append(item["name"])
        except threading.BrokenBarrierError:
            meeting.reset()
        return item["name"]

    monkeypatch.setattr(release_on_host, "_take", take)
    ended = {
        item["name"]: end() for item, end in release_on_host._take_each(name, [{"name": "a"}, {"name": "b"}], {}, {})
    }
    assert ended == {"a": "a", "b": "b"}
    assert sorted(seen) == (["a", "b"] if together else [])


@pytest.mark.parametrize(("step", "changes"), [("hooked", False), ("before_switch", True)])
def test_a_step_that_only_reads_changes_nothing_in_check_mode(step, changes):
    assert release_on_host._would_change(step, [{"name": "shop"}]) is changes
