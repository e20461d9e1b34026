"""The life of a release, whatever fails or dies at whatever step: the live one serves on, and the next run leaves nothing over.

Code, releases, links and secrets are real, under another root than /; accounts, packages, systemd and nginx are left out (root alone
has those: tests/host and tests/releases).
"""

from __future__ import annotations

import os
import sys
import tarfile
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import jobs, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import program, reloader, site
from ansible_collections.emperor.flask.plugins.module_utils.release import contents, provision, static_files, steps
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.release.steps import App
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations, emperor_exchange
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unboxed import unbox

KEEP = 3
HEALTH = {"path": "/", "status": ["200"], "timeout": 1, "host": "shop.test"}
STEPS = ("stage", "candidate", "switch", "retire")


class Died(Exception):
    """The controller, or the host, went away."""


def release(version):
    """A release whose every part depends on the version."""
    identity = f"{version:012x}"
    manifest = {
        "schema": 2,
        "code": f"c0de{version}",
        "venv": "5e5e",
        "uwsgi": "/opt/uwsgi/bin/uwsgi",
        "default_server": False,
        "health": HEALTH,
        "hooks": {"build": [], "before_switch": [], "after_switch": []},
        "limits": {"files": 300, "log": 2**20},
        "shared": [],
        "pythonpath": [],
        "static": {"/static": "static"},
    }
    code, conf = f"c0de{version}", f"server {{}} # {version}\n"
    return Release(identity, code, code, "5e5e", {}, "", "[uwsgi]\n", conf, manifest, f"57a7{version}")


class Host:
    """A host with one app, and what a play does to it."""

    def __init__(self, root):
        self.layout = Layout("shop", str(root))
        self.app = App(self.layout)
        for folder in self.layout.directories("nginx"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        Path(self.layout.sites).mkdir(parents=True)
        self.archive = str(root / "code.tar")
        with tarfile.open(self.archive, "w") as tar:
            tar.add(__file__, "shop.py")
            tar.add(__file__, "static/app.css")

    def play(self, version, end="", how=None, secrets="export KEY='one'\n"):
        """Release a version; at the step ``end`` the play is refused and reverts, or dies."""
        before, plan = activations.live(self.layout), {"activation": None}
        try:
            plan = self.app.stage(release(version), self.archive, secrets, sys.executable, "", None)
            self._finish(plan, before, end, how, back=False)
        except Refusal:
            self.app.revert(Activation.parse(plan["activation"]), before)
        except Died:
            pass

    def back(self):
        """Roll back; where there is nothing to go back to, nothing happens."""
        before = activations.live(self.layout)
        try:
            self._finish(self.app._go_back(None), before, "", None, back=True)
        except Refusal:
            self.app.revert(None, before)

    def _finish(self, plan, before, end, how, back):
        activation = Activation.parse(plan["activation"])
        for step in STEPS:
            if step == "candidate":
                self.app.candidate(activation)
            elif step == "switch":
                self.app.switch(activation)
            elif step == "retire":
                self.app.retire(activation, before, None if back else KEEP, back)
            if step == end and not (how is Refusal and step == "retire"):
                raise how(step)

    def reachable(self):
        """The releases whose static files nginx finds, in its order."""
        names = [os.path.join(self.layout.static(link), "static/app.css") for link in static_files.LINKS]
        found = [os.path.realpath(name).split("57a7")[-1][0] for name in names if os.path.exists(name)]
        return list(dict.fromkeys(found))

    def leftovers(self):
        """What should not be there: more than one vassal or file of secrets, half of a store's entry, what never served."""
        live = activations.live(self.layout)
        inis, secrets = os.listdir(self.layout.vassals), os.listdir(self.layout.secrets)
        wanted = ([f"{live}.ini"], [str(live.number)]) if live else ([], [])
        stores = [*os.listdir(self.layout.codes), *os.listdir(self.layout.statics)]
        return (inis, secrets) != wanted or any(".partial" in name for name in stores)


@pytest.fixture(autouse=True)
def without_root(monkeypatch, tmp_path):
    """No accounts, no packages, no systemd, no nginx; an Emperor whose vassals come and go at once."""
    unbox(monkeypatch, tmp_path)
    monkeypatch.setattr(jobs, "stop_abandoned", lambda layout: None)
    monkeypatch.setattr(provision, "prepare", lambda layout, limits: None)
    monkeypatch.setattr(
        contents, "stage_venv", lambda layout, made, python, wheels: os.makedirs(layout.venv(made.venv), exist_ok=True)
    )
    monkeypatch.setattr(
        contents, "FILL", contents.FILL.replace("if compiled:", "if False:")
    )  # byte-code is no matter here
    monkeypatch.setattr(systemd, "is_ready", lambda unit: True)
    monkeypatch.setattr(systemd, "main_pid", lambda unit: 0)
    monkeypatch.setattr(systemd, "schedule", lambda unit, seconds, argv: None)
    monkeypatch.setattr(site, "test", lambda layout, text, default, old=None: None)
    monkeypatch.setattr(program, "master", lambda: 1)
    monkeypatch.setattr(reloader, "STATE", str(tmp_path / "state"))
    monkeypatch.setattr(reloader, "OWED", str(tmp_path / "state/owed"))
    monkeypatch.setattr(systemd, "reload", lambda unit: None)
    monkeypatch.setattr(activations, "running", activations.governed)
    monkeypatch.setattr(emperor_exchange, "is_due", lambda layout: False)
    monkeypatch.setattr(emperor_exchange, "restart_idle", lambda layout: None)
    monkeypatch.setattr(activations, "wait_until_healthy", lambda layout, activation, health, start: None)
    monkeypatch.setattr(steps.App, "_is_healthy", lambda self, activation: True)


PLAYS = st.lists(
    st.one_of(
        st.tuples(
            st.just("release"), st.integers(1, 6), st.sampled_from(("", *STEPS)), st.sampled_from((Refusal, Died))
        ),
        st.tuples(st.just("back")),
    ),
    max_size=8,
)


@given(plays=PLAYS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happened_the_next_release_wins_and_leaves_nothing_over(tmp_path_factory, plays):
    host = Host(tmp_path_factory.mktemp("host"))
    for kind, *arguments in plays:
        before, reachable = activations.live(host.layout), host.reachable()
        host.play(*arguments) if kind == "release" else host.back()
        if kind == "release" and arguments[1] in ("stage", "candidate"):
            assert activations.live(host.layout) == before, "what served before serves on"
        if kind == "release" and arguments[1:] == ["switch", Refusal]:
            assert activations.live(host.layout) == before, "the switch is taken back"
            assert host.reachable()[:1] == reachable[:1] or before is None
        live = activations.live(host.layout)
        if live:
            assert Path(host.layout.current, "code/shop.py").exists()
            assert live in activations.governed(host.layout)
            assert host.reachable()[0] == live.release[-1]
    host.play(9)
    assert activations.live(host.layout).release == release(9).identity
    assert not host.leftovers()
    assert len(os.listdir(host.layout.releases)) <= KEEP
    assert len(os.listdir(host.layout.codes)) == len(os.listdir(host.layout.releases))
    assert host.reachable()[0] == "9" and len(host.reachable()) <= 2
    assert len(set(os.listdir(host.layout.statics)) - set(static_files.LINKS)) <= KEEP + 1


def test_a_switch_leaves_the_static_files_before_it_reachable_and_so_does_a_rollback(tmp_path):
    host = Host(tmp_path)
    host.play(1)
    host.play(2)
    assert host.reachable() == ["2", "1"]
    host.play(2, secrets="export KEY='two'\n")
    assert host.reachable() == ["2", "1"]
    host.play(3, "switch", Died)
    assert host.reachable() == ["3", "2", "1"]
    host.play(3)
    assert host.reachable() == ["3", "2"]
    host.back()
    assert host.reachable() == ["2", "3"]
    host.play(4, "switch", Refusal)
    assert host.reachable() == ["2", "3"]


def test_an_app_is_closed_and_opened_at_once_and_a_release_can_open_it(tmp_path):
    host = Host(tmp_path)
    with pytest.raises(Refusal, match="it is not on this host; deploy it first"):
        App(Layout("other", str(tmp_path))).maintenance(True)
    host.play(1)
    closed = Path(host.layout.home, "maintenance")
    assert [host.app.maintenance(True), closed.exists(), host.app.maintenance(True)] == [True, True, False]
    host.play(2)
    assert closed.exists()
    live = activations.live(host.layout)
    host.app.retire(live, None, KEEP, False, opens=True)
    assert not closed.exists()
    assert not host.app.maintenance(False)


def test_the_same_release_with_the_same_secrets_is_the_same_activation(tmp_path):
    host = Host(tmp_path)
    host.play(1)
    first = activations.live(host.layout)
    host.play(1)
    assert activations.live(host.layout) == first
    host.play(1, secrets="export KEY='two'\n")
    assert activations.live(host.layout).release == first.release
    assert activations.live(host.layout) != first


def test_a_rollback_takes_the_secrets_of_today(tmp_path):
    host = Host(tmp_path)
    host.play(1)
    host.play(2)
    host.play(2, secrets="export KEY='today'\n")
    host.back()
    live = activations.live(host.layout)
    assert live.release == release(1).identity
    assert Path(activations.secrets(host.layout, live.number)).read_text() == "export KEY='today'\n"
    with pytest.raises(Refusal, match=f"there is no release before {live.release} on this host; there are: "):
        host.app._go_back(None)


def test_nothing_to_go_back_to_says_so(tmp_path):
    host = Host(tmp_path)
    with pytest.raises(Refusal, match="it has no release yet"):
        host.app._go_back(None)
    host.play(1)
    with pytest.raises(Refusal, match=f"there is no release 'abc' on this host; there are: {release(1).identity}"):
        host.app._go_back("abc")


def test_a_first_release_that_is_refused_leaves_no_link(tmp_path):
    host = Host(tmp_path)
    host.play(1, "switch", Refusal)
    assert activations.live(host.layout) is None
    assert not os.path.lexists(host.layout.current)
    assert os.listdir(host.layout.sites) == []
    assert os.listdir(host.layout.releases) == []


def test_a_candidate_that_went_away_is_not_switched_to(tmp_path, monkeypatch):
    host = Host(tmp_path)
    host.play(1)
    plan = host.app.stage(release(2), host.archive, "", sys.executable, "", None)
    candidate = Activation.parse(plan["activation"])
    host.app.candidate(candidate)
    for away in (
        lambda: monkeypatch.setattr(steps.App, "_is_healthy", lambda *_: False),
        lambda: activations.retire(host.layout, candidate),
    ):
        away()
        with pytest.raises(
            Refusal, match=f"the candidate {candidate} was healthy and does not answer any more; nothing was switched"
        ):
            host.app.switch(candidate)
        assert activations.live(host.layout).release == release(1).identity
        monkeypatch.setattr(steps.App, "_is_healthy", lambda *_: True)
    host.app.revert(candidate, Activation.parse(plan["before"]))
    assert not host.leftovers()


def test_a_limit_below_a_file_that_the_app_keeps_is_refused(tmp_path):
    host = Host(tmp_path)
    host.play(1)
    kept = Path(host.layout.shared, "instance/shop.db")
    kept.parent.mkdir()
    with kept.open("w") as file:
        file.truncate(700 * 1024)
    lower = release(2)
    lower.manifest["limits"] = {"files": 300, "log": 2**19}
    with pytest.raises(
        Refusal,
        match=r"limits.log lets .* files of 0M at most, but it keeps a larger one, '.*shop.db'; raise limits.log",
    ):
        host.app.stage(lower, host.archive, "", sys.executable, "", None)
    lower.manifest["limits"] = {"files": 300, "log": 2**20 - 1}
    host.app.stage(lower, host.archive, "", sys.executable, "", None)


def test_nginx_owes_a_reload_for_a_new_site_and_a_changed_one_alone(tmp_path):
    host, owed = Host(tmp_path), Path(reloader.OWED)
    host.play(1)
    assert owed.exists()
    owed.unlink()
    host.play(1, secrets="export KEY='two'\n")
    assert not owed.exists()
    host.play(2, "switch", Refusal)
    assert owed.exists(), "for the new site, and for the way back"


def test_a_refused_release_costs_none_of_those_that_served(tmp_path):
    host = Host(tmp_path)
    for version in (1, 2, 3):
        host.play(version)
    host.play(4, "candidate", Refusal)
    assert set(os.listdir(host.layout.releases)) == {release(version).identity for version in (1, 2, 3)}


@pytest.mark.parametrize("interrupts", [Refusal("no answer"), KeyboardInterrupt(), OSError("no memory")], ids=repr)
def test_a_candidate_that_is_interrupted_is_retired(tmp_path, monkeypatch, interrupts):
    host = Host(tmp_path)
    host.play(1)
    candidate = Activation.parse(host.app.stage(release(2), host.archive, "", sys.executable, "", None)["activation"])

    def wait(*_):
        raise interrupts

    monkeypatch.setattr(activations, "wait_until_healthy", wait)
    with pytest.raises(type(interrupts)):
        host.app.candidate(candidate)
    assert candidate not in activations.governed(host.layout)
    assert not os.path.exists(activations.secrets(host.layout, candidate.number))


def test_a_live_release_that_cannot_be_read_is_in_no_releases_way(tmp_path, monkeypatch):
    host = Host(tmp_path)
    host.play(1)
    monkeypatch.setattr(emperor_exchange, "is_due", lambda layout: True)
    Path(host.layout.current, "manifest.json").write_text('{"schema": 99}')
    host.play(2)
    assert activations.live(host.layout).release == release(2).identity
