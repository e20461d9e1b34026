"""One release of an app at a time: who waits, who is told whom to ask, and who takes over from the dead."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner
from hypothesis import given
from hypothesis import strategies as st

ALICE, BOB = {"token": "boot/1/10", "name": "alice@laptop"}, {"token": "boot/2/20", "name": "bob@desk"}
STEP = """
import sys, time
sys.path[:0] = {path!r}
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{collections!r}])
from ansible_collections.emperor.flask.plugins.module_utils.release import app_lock
with app_lock.held({file!r}, {owner!r}, []):
    import subprocess
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "locks/shop")


@pytest.fixture
def running(path):
    """A step of Alice's that runs in a process of its own, and the process it started."""
    collections = str(Path(__file__).parents[5] / ".ansible/collections")
    script = textwrap.dedent(STEP).format(path=sys.path, collections=collections, file=path, owner=ALICE)
    step = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    child = int(step.stdout.readline())
    yield step, child
    app_lock.kill_tree(step.pid)
    step.wait()


def test_between_two_steps_it_stays_with_its_owner(path):
    with app_lock.held(path, ALICE, []):
        pass
    with (
        pytest.raises(app_lock.Taken, match="alice@laptop is releasing it, since .* run again") as taken,
        app_lock.held(path, BOB, []),
    ):
        pass
    assert taken.value.holder["token"] == ALICE["token"]
    with app_lock.held(path, ALICE, []):
        pass


def test_every_step_renews_the_lease_when_it_begins_and_when_it_ends(path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(app_lock.time, "time", lambda: now[0])

    def until():
        return json.loads(Path(path).read_text())["until"]

    for began in (1000.0, 1500.0):
        now[0] = began
        with app_lock.held(path, ALICE, []):
            assert until() == began + app_lock.LEASE
            now[0] += 300
        assert until() == began + 300 + app_lock.LEASE


def test_a_free_lock_is_anybodys(path):
    with app_lock.held(path, ALICE, []):
        pass
    app_lock.free(path)
    with app_lock.held(path, BOB, []):
        pass


def test_it_ends_with_its_lease(path, monkeypatch):
    monkeypatch.setattr(app_lock, "LEASE", 0)
    with app_lock.held(path, ALICE, []):
        pass
    with app_lock.held(path, BOB, []):
        pass


def test_the_dead_are_taken_over_from_at_once(path):
    with app_lock.held(path, ALICE, []):
        pass
    with app_lock.held(path, BOB, [ALICE["token"]]):
        assert json.loads(Path(path).read_text())["name"] == "bob@desk"


def test_a_step_that_runs_is_not_disturbed(path, running):
    with pytest.raises(app_lock.Taken, match="alice@laptop"), app_lock.held(path, BOB, []):
        pass
    assert running[0].poll() is None


def test_a_step_that_the_dead_left_behind_is_killed_with_all_it_started(path, running):
    step, child = running
    with app_lock.held(path, BOB, [ALICE["token"]]):
        assert step.wait(10) != 0
    stat = Path(f"/proc/{child}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@given(st.text(max_size=40))
def test_a_text_that_was_cut_off_is_nobodys(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("host") / "shop"
    whole = json.dumps({**ALICE, "since": 0, "until": time.time() + 60, "step": None})
    path.write_text(whole[: len(text)] if text else "")
    with app_lock.held(str(path), BOB, []):
        pass


def test_this_play_is_the_owner_and_alive():
    me = lock_owner.current()
    assert me["token"].split("/")[1] == str(os.getpid())
    assert lock_owner.dead(me) is None
    assert lock_owner.dead(None) is None


PLAY = """
import multiprocessing, sys
sys.path[:0] = {path!r}
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{collections!r}])
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner

def action():
    print(lock_owner.current()["token"], flush=True)
    for line in open({fifo!r}):
        try:
            print(lock_owner.current()["token"], flush=True)
        except Exception as error:
            print(error, flush=True)

worker = multiprocessing.get_context("fork").Process(target=action)
worker.start()
worker.join()
"""


def test_an_action_whose_play_was_killed_goes_on_in_nobodys_name(tmp_path):
    """The fork that an action runs in outlives ansible-playbook, with process 1 for a parent."""
    collections = str(Path(__file__).parents[5] / ".ansible/collections")
    fifo = tmp_path / "asked"
    os.mkfifo(fifo)
    script = PLAY.format(path=sys.path, collections=collections, fifo=str(fifo))
    play = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    token = play.stdout.readline().strip()
    assert token.split("/")[1] == str(play.pid)
    with fifo.open("w") as asked:
        asked.write("again\n")
        asked.flush()
        assert play.stdout.readline().strip() == token
        play.kill()
        play.wait()
        asked.write("and again\n")
        asked.flush()
        assert f"ansible-playbook (process {play.pid}) has ended, so this stops too" in play.stdout.readline()
    assert lock_owner.dead({"token": token}) == token


def test_a_process_that_ended_is_dead_and_one_of_another_machine_is_not_known_to_be():
    machine = lock_owner.current()["token"].rsplit("/", 2)[0]
    ended = subprocess.Popen(["true"])
    ended.wait()
    token = f"{machine}/{ended.pid}/123"
    assert lock_owner.dead({"token": token}) == token
    assert lock_owner.dead({"token": f"elsewhere/{ended.pid}/123"}) is None
