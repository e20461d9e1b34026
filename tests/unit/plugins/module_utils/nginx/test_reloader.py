"""No change of nginx's is overlooked, whoever changes and reloads beside each other, and wherever one of them dies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import host_lock, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.nginx import program, reloader

COLLECTIONS = str(Path(__file__).parents[5] / ".ansible/collections")
# A controller's step on the host, in a process of its own: it waits for a word before each of its deeds, and says when it is done.
STEP = """
import sys
sys.path[:0] = {path!r}
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([{collections!r}])
from pathlib import Path
from ansible_collections.emperor.flask.plugins.module_utils.host import host_lock, systemd
from ansible_collections.emperor.flask.plugins.module_utils.nginx import reloader

folder = Path({folder!r})
host_lock.PATH = str(folder / "lock")
reloader.program.master = lambda: 1
reloader.STATE, reloader.OWED = str(folder), str(folder / "owed")

def wait():
    print("ready", flush=True)
    sys.stdin.readline()

def reload(unit):
    read = (folder / "configuration").read_text()
    wait()  # nginx reads, and is not done yet
    (folder / "read").write_text(read)

systemd.reload = reload
for line in sys.stdin:
    if line.strip() == "change":
        with reloader.changing():
            wait()  # marked, not changed yet
            (folder / "configuration").write_text({name!r})
    else:
        reloader.load()
    print("done", flush=True)
"""


class Controller:
    """One of two that release at the same time."""

    def __init__(self, folder, name):
        script = STEP.format(path=sys.path, collections=COLLECTIONS, folder=str(folder), name=name)
        self.process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, word):
        """Let it go on."""
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def hears(self):
        """What it says next."""
        return self.process.stdout.readline().strip()


@pytest.fixture
def two(tmp_path):
    """Two controllers, and what nginx reads at first."""
    (tmp_path / "configuration").write_text("first")
    controllers = [Controller(tmp_path, name) for name in ("of a", "of b")]
    yield controllers
    for one in controllers:
        one.process.kill()
        one.process.wait()


def test_a_reload_of_one_does_not_take_the_mark_of_the_others_change(tmp_path, two):
    """b has marked, and is about to change, when a, which owes a reload too, makes it."""
    a, b = two
    a.say("change")
    assert a.hears() == "ready"
    a.say("")
    assert a.hears() == "done"
    b.say("change")
    assert b.hears() == "ready"
    a.say("load")  # must wait for b, whose change it would not see
    b.say("")
    assert b.hears() == "done"
    assert a.hears() == "ready"
    a.say("")
    assert a.hears() == "done"
    b.say("load")
    if reloader_owes(tmp_path):
        assert b.hears() == "ready"
        b.say("")
    assert b.hears() == "done"
    assert (tmp_path / "read").read_text() == "of b"


def test_a_change_during_a_reload_is_read_by_another_one(tmp_path, two):
    a, b = two
    for word in ("change", ""):
        a.say(word)
        a.hears()
    a.say("load")
    assert a.hears() == "ready"  # nginx has read, and the reload is not over
    b.say("change")  # must wait for a, whose mark it would lose
    a.say("")
    assert a.hears() == "done"
    assert b.hears() == "ready"
    b.say("")
    assert b.hears() == "done"
    b.say("load")
    assert b.hears() == "ready"
    b.say("")
    assert b.hears() == "done"
    assert (tmp_path / "read").read_text() == "of b"


def test_whoever_dies_before_the_reload_is_over_leaves_it_owed(tmp_path, two):
    a, b = two
    for word in ("change", "", "load"):
        a.say(word)
        a.hears()
    a.process.kill()
    a.process.wait()
    b.say("load")
    assert b.hears() == "ready"
    b.say("")
    assert b.hears() == "done"
    assert (tmp_path / "read").read_text() == "of a"
    assert not reloader_owes(tmp_path)


def reloader_owes(folder):
    """Whether a reload is owed there."""
    return os.path.exists(folder / "owed")


def test_a_reload_that_fails_stays_owed(tmp_path, monkeypatch):
    monkeypatch.setattr(reloader, "STATE", str(tmp_path))
    monkeypatch.setattr(reloader, "OWED", str(tmp_path / "owed"))
    monkeypatch.setattr(program, "master", lambda: 1)

    def fail(_unit):
        raise Refusal("nginx does not reload")

    monkeypatch.setattr(systemd, "reload", fail)
    with reloader.changing():
        pass
    with pytest.raises(Refusal, match="nginx does not reload"):
        reloader.load()
    assert reloader.is_due()


def test_an_nginx_that_does_not_run_is_started_though_no_reload_is_owed(tmp_path, monkeypatch):
    runs, asked = [None], []
    monkeypatch.setattr(reloader, "OWED", str(tmp_path / "owed"))
    monkeypatch.setattr(program, "master", lambda: runs[-1])
    monkeypatch.setattr(systemd, "reload", lambda unit: asked.append(unit) or runs.append(7))
    assert reloader.is_due()
    reloader.load()
    reloader.load()
    assert asked == ["nginx.service"] and not reloader.is_due()


def test_a_host_that_is_being_changed_for_too_long_names_the_process(tmp_path, monkeypatch, two):
    a, _ = two
    a.say("change")
    assert a.hears() == "ready"
    monkeypatch.setattr(host_lock, "PATH", str(tmp_path / "lock"))
    monkeypatch.setattr(host_lock, "PATIENCE", 0)
    with (
        pytest.raises(Refusal, match=f"process {a.process.pid} has been changing this host for 0 seconds"),
        host_lock.host_lock(),
    ):
        pass


def test_a_process_that_holds_the_lock_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(host_lock, "PATH", str(tmp_path / "lock"))
    with host_lock.host_lock(), host_lock.host_lock():
        pass
    with host_lock.host_lock():
        pass
