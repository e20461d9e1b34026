"""An app gets another name, whatever fails or dies in between: its files and logs are at one place, and the next run ends it.

Folders, files and links are real, under another root than /; accounts, systemd and nginx are left out (tests/many_apps has those).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import handover
from ansible_collections.emperor.flask.plugins.module_utils.host import successions, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import link_target
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import (
    manifest,
    provision,
    removal,
    renaming,
    shared_files,
)
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from unboxed import unbox

LIVE = Activation("0ddba11", 7)
MADE_OF = {
    "schema": 2,
    "default_server": False,
    "shared": ["kept", "fresh"],
    "health": {"path": "/", "status": ["200"], "timeout": 1, "host": "notes.test", "scheme": "http"},
}
LOGS = {
    "notes_uwsgi.log": "last",
    "notes_uwsgi.log.1": "before",
    "emperor.log": "of the Emperor",
    "emperor.log.2.gz": "older",
}


class Died(Exception):
    """The host went away."""


class Machine:
    """A host with ``notes``, of which ``journal`` is to be made. ``dies`` is how many deeds it does before it dies."""

    def __init__(self, root):
        self.old, self.new = Layout("notes", str(root)), Layout("journal", str(root))
        self.ran, self.deeds, self.dies = {"notes"}, 0, None
        self.fill(self.old)
        Path(self.old.sites).mkdir(parents=True)
        Path(self.old.shared, "kept").mkdir()
        Path(self.old.shared, "kept/note").write_text("precious")
        for name, text in LOGS.items():
            Path(self.old.logs, name).write_text(text)
        self.serve(self.old)

    def fill(self, layout):
        for folder in layout.directories("nginx"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        for log in layout.log_files():
            Path(log).touch()

    def serve(self, layout):
        activations.switch(layout, LIVE)
        site.link(layout, default_server=False)

    def stage(self):
        """As the step of that name: with what the release brings for its shared paths, unless it has them already."""
        renaming.begin(self.new, self.old)
        began = not os.path.isdir(self.new.home)
        self.fill(self.new)
        for path in MADE_OF["shared"] if began else []:
            Path(self.new.shared, path).mkdir()
            Path(self.new.shared, path, "begun").write_text("with the source")

    def take_over(self):
        renaming.take_over(self.new, self.old, "0123", MADE_OF)

    def deed(self, does):
        def done(*arguments, **options):
            if self.deeds == self.dies:
                raise Died
            self.deeds += 1
            return does(*arguments, **options)

        return done


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A host without systemd, accounts and nginx."""
    unbox(monkeypatch, tmp_path)
    monkeypatch.setattr(reloader, "STATE", str(tmp_path / "state"))
    monkeypatch.setattr(reloader, "OWED", str(tmp_path / "state/owed"))
    machine = Machine(tmp_path / "host")

    def share(layout, identity, made_of, source, path):
        outside = os.path.join(layout.shared, path)
        if not os.path.lexists(outside):
            shutil.copytree(source, outside)

    def remove(layout, keep_shared):
        for folder in (layout.home, layout.logs, layout.vassals, layout.state):
            shutil.rmtree(folder, ignore_errors=True)
        site.unlink(layout)

    monkeypatch.setattr(manifest, "read", lambda layout, release: MADE_OF)
    monkeypatch.setattr(provision, "exists", lambda layout: os.path.isdir(layout.home))
    monkeypatch.setattr(
        systemd, "enable_now", lambda unit: machine.ran.add(unit[len("uwsgi-emperor@") : -len(".service")])
    )
    monkeypatch.setattr(activations, "is_healthy", lambda layout, live, health: True)
    monkeypatch.setattr(handover, "ensure", lambda layout, live, made_of: None)
    monkeypatch.setattr(handover, "finish_jobs", machine.deed(lambda layout: None))
    monkeypatch.setattr(handover, "remove_all", machine.deed(lambda layout: None))
    monkeypatch.setattr(renaming, "_end", machine.deed(lambda layout: machine.ran.discard(layout.name)))
    monkeypatch.setattr(renaming, "_give", machine.deed(lambda giver, taker, folder: None))
    monkeypatch.setattr(renaming, "remove_tree", machine.deed(lambda path: shutil.rmtree(path, ignore_errors=True)))
    monkeypatch.setattr(renaming.os, "rename", machine.deed(os.rename))
    monkeypatch.setattr(shared_files, "begin", machine.deed(share))
    monkeypatch.setattr(removal, "remove_all", machine.deed(remove))
    return machine


def files(folder):
    """The files in a folder, with their contents."""
    return {str(path.relative_to(folder)): path.read_text() for path in Path(folder).rglob("*") if path.is_file()}


def assert_taken_over(machine):
    assert files(machine.new.shared) == {"kept/note": "precious", "fresh/begun": "with the source"}
    assert files(machine.new.logs) == {name.replace("notes", "journal"): text for name, text in LOGS.items()}
    assert not os.path.lexists(machine.old.shared) and not os.path.lexists(f"{machine.new.shared}.begun")
    assert "notes" not in machine.ran


def assert_given_back(machine):
    made = {"fresh/begun": "with the source"}  # what the new release has made meanwhile stays
    assert files(machine.old.shared) in ({"kept/note": "precious"}, {"kept/note": "precious", **made})
    assert files(machine.old.logs) == LOGS
    assert machine.ran == {"notes"} and not site.is_closed(machine.old)
    assert link_target(machine.old.site(False)) == machine.old.nginx_conf
    assert not os.path.exists(machine.new.home) and not os.path.lexists(machine.new.site(False))
    assert successions.of(machine.old) is None


def test_the_new_name_has_all_that_the_old_one_had_and_what_its_release_brings(machine):
    machine.stage()
    assert machine.ran == {"notes"} and files(machine.old.shared) == {"kept/note": "precious"}
    machine.take_over()
    assert_taken_over(machine)
    assert site.is_closed(machine.old) and not site.is_closed(machine.new)
    site.unlink(machine.old)
    machine.serve(machine.new)
    renaming.finish(machine.new, machine.old)
    assert not os.path.exists(machine.old.home) and successions.of(machine.old) is None
    assert not renaming.is_due(machine.old)


def test_wherever_a_run_dies_the_next_one_takes_all_over(machine, monkeypatch):
    for machine.dies in range(100):
        shutil.rmtree(machine.old.root)
        machine.dies, dies = None, machine.dies
        machine.__init__(machine.old.root)
        machine.stage()
        machine.deeds, machine.dies = 0, dies
        try:
            machine.take_over()
        except Died:
            machine.dies = None
            machine.stage()
            machine.take_over()
            assert_taken_over(machine)
            continue
        assert_taken_over(machine)
        break
    assert 10 < dies < 99


@pytest.mark.parametrize("switched", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_wherever_it_fails_all_is_given_back(machine, switched, times):
    for fails in range(100):
        shutil.rmtree(machine.old.root)
        machine.dies = None
        machine.__init__(machine.old.root)
        machine.stage()
        machine.deeds, machine.dies = 0, fails
        whole = True
        try:
            machine.take_over()
            if switched:
                site.unlink(machine.old)
                machine.serve(machine.new)
        except Died:
            whole = False
        for left in range(times):
            # The way back may die as well, and is gone once more by the next run.
            machine.deeds, machine.dies = 0, fails // 3 if left < times - 1 else None
            try:
                renaming.give_back(machine.new, machine.old)
            except Died:
                continue
        assert_given_back(machine)
        if whole:
            break
    assert 10 < fails < 99


def test_a_failure_before_anything_was_taken_leaves_the_old_one_alone(machine):
    machine.stage()
    machine.ran.add("untouched")
    renaming.give_back(machine.new, machine.old)
    machine.ran.remove("untouched")
    assert_given_back(machine)


def test_what_nobody_has_begun_is_not_taken_away(machine):
    machine.fill(machine.new)
    renaming.give_back(machine.new, machine.old)
    assert os.path.isdir(machine.new.home)
    with pytest.raises(Refusal, match="'notes' and it are both on this host"):
        renaming.begin(machine.new, machine.old)


def test_a_shared_folder_that_cannot_be_moved_is_refused_before_anything_is_made(machine, tmp_path):
    shutil.rmtree(machine.old.shared)
    os.symlink(tmp_path, machine.old.shared)
    with pytest.raises(Refusal, match=r"is a link or a mount of its own, which cannot be moved; put a folder"):
        machine.stage()
    assert not os.path.exists(machine.new.home)


def test_a_release_that_could_not_be_started_again_is_refused_before_anything_is_made(machine, monkeypatch):
    def unknown(layout, release):
        raise manifest.Unknown("its manifest has schema 9")

    monkeypatch.setattr(manifest, "read", unknown)
    with pytest.raises(
        Refusal, match=r"could not be started again if this failed \(its manifest has schema 9\); deploy"
    ):
        machine.stage()


@pytest.mark.parametrize("gives_back", [False, True])
def test_an_app_that_was_closed_stays_closed(machine, gives_back):
    site.close(machine.old, True)
    machine.stage()
    assert renaming.was_closed(machine.old)
    machine.take_over()
    assert site.is_closed(machine.new)
    if gives_back:
        renaming.give_back(machine.new, machine.old)
        assert site.is_closed(machine.old)


def test_once_the_new_name_serves_nothing_of_it_is_overwritten(machine):
    machine.stage()
    machine.take_over()
    machine.serve(machine.new)
    os.makedirs(machine.old.shared)
    machine.take_over()
    assert files(machine.new.shared)["kept/note"] == "precious"
    with pytest.raises(Refusal, match="is there again, though it was moved to"):
        renaming.finish(machine.new, machine.old)


def test_nothing_says_what_becomes_of_most_apps(tmp_path):
    assert successions.known(str(tmp_path)) == {}
    (tmp_path / "notes").mkdir()
    assert successions.known(str(tmp_path)) == {}
