"""From release to release, whatever fails where: the workers that run are those of the release that serves."""

import json
import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import (
    definitions,
    handover,
    resumption,
    timers,
    unit_files,
    unit_texts,
    workers,
)
from ansible_collections.emperor.flask.plugins.module_utils.host import box, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MANIFEST = {"code": "c0de", "venv": "1ib", "pythonpath": [], "limits": box.LIMITS}
MAIL = {"name": "mail", "command": "mail", "processes": 2, "stop_signal": "TERM", "stop_timeout": 60, "check": 0}
BOTH = [{**MAIL, "overlap": True}, {**MAIL, "name": "beat", "command": "beat", "processes": 1, "overlap": False}]
TIMER = {"name": "digest", "command": "digest", "schedule": "daily", "overlap": "skip", "timeout": 60, "jitter": 0}


class Host:
    """A machine whose systemd starts and stops at once, and remembers in which order it was asked."""

    def __init__(self, root):
        self.asked, self.broken = [], set()
        self.move(root)

    def move(self, root):
        """Begin anew, in another folder."""
        self.layout, self.running, self.comes_back = Layout("shop", str(root)), set(), None
        for folder in (self.layout.secrets, self.layout.home, root / "systemd"):
            Path(folder).mkdir(parents=True, exist_ok=True)
        unit_files.FOLDER = str(root / "systemd")

    def root_of(self, name):
        """A folder beside the app's."""
        folder = Path(self.layout.home).parent / name
        folder.mkdir()
        return folder

    def release(self, name, number, stated=BOTH, clocks=()):
        """Stage a release with workers and timers, and number an activation of it."""
        folder = Path(self.layout.release(name))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / definitions.FILE).write_text(json.dumps({"workers": list(stated), "timers": list(clocks)}))
        Path(activations.secrets(self.layout, number)).write_text(f"export KEY='{name}'\n")
        return Activation(name, number)

    def switch(self, activation):
        """Take a release through the steps that its workers have."""
        handover.prepare(self.layout, activation, MANIFEST)
        handover.hand_over(self.layout, activation, MANIFEST)
        self.lead(activation)
        handover.set_timers(self.layout, activation, MANIFEST)
        return handover.settle(self.layout, activation)

    def lead(self, activation):
        """Let requests go to an activation."""
        os.symlink(f"run/{activation}.sock", self.layout.socket + ".new")
        os.rename(self.layout.socket + ".new", self.layout.socket)

    def run(self, argv, **_options):
        """What systemctl would do."""
        verb, units = argv[1], [word for word in argv[2:] if not word.startswith("--")]
        if argv[0] == "systemctl" and verb in ("start", "restart", "stop"):
            self.asked.append((verb, *units))
            self.running -= set(units) if verb == "stop" else set()
            self.running |= set() if verb == "stop" else set(units)
        return ""

    def states(self, units):
        """What systemctl would say: what is broken ends at once and is started again and again."""
        return {
            unit: systemd.State(
                "active" if unit in self.running and not self.is_broken(unit) else "inactive", "enabled", ""
            )
            for unit in units
        }

    def is_broken(self, unit):
        return any(name in unit for name in self.broken)

    def arrange(self, layout, old, new, alone):
        """What comes back where the step dies, in the place of what."""
        self.comes_back = (activations.live(layout), old, new) if old else None

    def withdraw(self, layout):
        """Nothing comes back any more."""
        self.comes_back = None

    def step_died(self):
        """What the arranged unit does then (test_resumption has the real one)."""
        live, old, new = self.comes_back or (None, [], [])
        if live and live == activations.live(self.layout):
            unit_files.unlink(new)
            unit_files.link(old)
            self.running = self.running - set(new) | set(old)

    def names(self):
        """What runs, by release and worker."""
        return sorted(unit.removeprefix("emperor-").removesuffix(".service") for unit in self.running)

    def amiss(self, live):
        """What is wrong with a live release's."""
        return handover.amiss(self.layout, live, MANIFEST, self.states(handover.units(self.layout)))


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_files, "FOLDER", "")
    host = Host(tmp_path)
    monkeypatch.setattr(box, "sandbox", lambda app: ["NoNewPrivileges=yes"])
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    monkeypatch.setattr(Access, "differs", lambda self, path: False)
    monkeypatch.setattr(systemd, "daemon_reload", lambda: None)
    monkeypatch.setattr(systemd, "forget_failures", lambda units: None)
    monkeypatch.setattr(systemd, "schedule", lambda unit, seconds, argv: host.asked.append(("schedule", seconds)))
    monkeypatch.setattr(systemd, "states", host.states)
    monkeypatch.setattr(systemd, "stop", lambda *units: host.run(["systemctl", "stop", *units]))
    monkeypatch.setattr(resumption, "arrange", host.arrange)
    monkeypatch.setattr(resumption, "withdraw", host.withdraw)
    monkeypatch.setattr(workers, "run", host.run)
    monkeypatch.setattr(timers, "run", host.run)
    return host


def of(release):
    return [f"worker-shop-beat-{release}-1", f"worker-shop-mail-{release}-1", f"worker-shop-mail-{release}-2"]


def test_the_workers_of_the_release_that_serves_run_and_nothing_else_is_left(host):
    first, second = host.release("a", 1), host.release("b", 2)
    assert host.switch(first) == [] and host.names() == of("a.1")
    assert host.amiss(first) is None
    assert host.switch(second) == [] and host.names() == of("b.2")
    assert handover.starts(host.layout) == [second]
    assert all("b.2" in unit for unit in unit_files.of_app(host.layout))


def test_a_scheduler_ends_before_the_next_one_starts_and_the_others_go_on_beside(host):
    host.switch(host.release("a", 1))
    host.asked.clear()
    handover.prepare(host.layout, second := host.release("b", 2), MANIFEST)
    assert host.names() == sorted([*of("a.1"), *of("b.2")[1:]])
    handover.hand_over(host.layout, second, MANIFEST)
    order = [(verb, units[0]) for verb, *units in host.asked if "beat" in units[0]]
    assert [verb for verb, _unit in order] == ["stop", "restart"]
    assert host.names() == of("b.2")


@pytest.mark.parametrize("broken", ["mail-b", "beat-b"])
def test_where_one_does_not_live_the_old_ones_run_on(host, broken):
    host.switch(first := host.release("a", 1))
    host.broken = {broken}
    second = host.release("b", 2)
    with pytest.raises(Refusal, match="ended within 0 seconds of its start"):
        host.switch(second)
    assert host.names() == of("a.1")
    assert set(unit_files.linked(host.layout)) == {f"emperor-{name}.service" for name in of("a.1")}
    handover.settle(host.layout, first)
    assert host.amiss(first) is None and handover.starts(host.layout) == [first]


def test_a_switch_that_is_taken_back_brings_the_old_ones_back(host):
    host.switch(first := host.release("a", 1, clocks=[TIMER]))
    handover.prepare(host.layout, second := host.release("b", 2), MANIFEST)
    handover.hand_over(host.layout, second, MANIFEST)
    handover.set_timers(host.layout, second, MANIFEST)
    handover.ensure(host.layout, first, MANIFEST)
    handover.settle(host.layout, first)
    assert host.names() == sorted([*of("a.1"), "timer-shop-digest.timer"])
    assert host.amiss(first) is None


def test_old_workers_come_back_where_the_next_run_dies_too_before_they_were_back(host, monkeypatch):
    host.switch(host.release("a", 1))
    second = host.release("b", 2)
    with monkeypatch.context() as patched:
        real = workers.tell_to_stop

        def die(units, wait=False):
            real(units, wait)
            if not wait:
                raise Died

        patched.setattr(workers, "tell_to_stop", die)
        for _ in range(2):
            handover.prepare(host.layout, second, MANIFEST)
            with pytest.raises(Died):
                handover.hand_over(host.layout, second, MANIFEST)
    host.step_died()
    assert host.names() == of("a.1")


@pytest.mark.parametrize("dies", ["bring_up", "tell_to_stop"])
def test_old_workers_come_back_where_the_step_dies_before_the_switch(host, monkeypatch, dies):
    """It dies while it exchanges the scheduler, or when it has told all to stop."""
    host.switch(first := host.release("a", 1))
    handover.prepare(host.layout, second := host.release("b", 2), MANIFEST)
    real = getattr(workers, dies)

    def die(*given, **how):
        real(*given, **how)
        if not how.get("wait"):
            raise Died

    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(workers, dies, die)
        handover.hand_over(host.layout, second, MANIFEST)
    host.step_died()
    assert host.names() == of("a.1") and host.amiss(first) is None
    host.switch(third := host.release("c", 3))
    assert host.names() == of("c.3") and host.comes_back is None and handover.starts(host.layout) == [third]


def test_nothing_comes_back_after_the_switch_nor_what_died_before_it(host):
    host.switch(host.release("a", 1))
    handover.prepare(host.layout, host.release("b", 2), MANIFEST)  # and dies
    third = host.release("c", 3)
    handover.prepare(host.layout, third, MANIFEST)
    handover.hand_over(host.layout, third, MANIFEST)
    assert {unit.split("-")[-2] for unit in host.comes_back[1]} == {"a.1"}
    assert {unit.split("-")[-2] for unit in host.comes_back[2]} == {"c.3"}
    host.lead(third)
    host.step_died()
    assert host.names() == of("c.3")


def test_the_exchange_of_an_emperor_does_not_touch_them(host):
    """It starts the live release anew, under another number, and the secrets of the number before go."""
    host.switch(first := host.release("a", 1))
    again = host.release("a", 2)
    os.remove(activations.secrets(host.layout, first.number))
    host.lead(again)
    assert host.amiss(again) is None
    host.asked.clear()
    host.switch(again)
    assert host.asked == [] and host.names() == of("a.1")


def test_another_secret_is_another_start(host):
    host.switch(host.release("a", 1))
    again = host.release("a", 2)
    Path(activations.secrets(host.layout, 2)).write_text("export KEY='rotated'\n")
    host.lead(again)
    assert host.amiss(again) == "its workers or timers are not those of its release"
    host.switch(again)
    assert host.names() == of("a.2")
    copy = Path(host.layout.secrets, "background-a.2")
    assert copy.read_text() == "export KEY='rotated'\n" and copy.stat().st_mode & 0o777 == 0o640


def test_what_stopped_or_was_changed_is_amiss(host):
    host.switch(live := host.release("a", 1, clocks=[TIMER]))
    host.running.discard("emperor-timer-shop-digest.timer")
    assert host.amiss(live) == "a worker or timer does not run: emperor-timer-shop-digest.timer"
    Path(unit_files.FOLDER, "emperor-timer-shop-digest.timer").write_text("[Timer]\n")
    assert host.amiss(live) == "its workers or timers are not those of its release"


def test_a_worker_that_still_works_is_reported_and_stays_until_it_has_ended(host, monkeypatch):
    host.switch(host.release("a", 1))
    real = host.run
    monkeypatch.setattr(
        workers, "run", lambda argv: real(argv) if argv[1] != "stop" or "--no-block" not in argv else ""
    )
    assert host.switch(second := host.release("b", 2)) == [
        "2 of the workers of a finish their jobs, for 60 seconds at most"
    ]
    assert ("schedule", 75) in host.asked
    assert [start.release for start in handover.starts(host.layout)] == ["a", "b"]
    host.running = {unit for unit in host.running if "-a.1-" not in unit}
    assert handover.settle(host.layout, second) == [] and handover.starts(host.layout) == [second]


def test_a_release_without_any_ends_those_of_the_one_before(host):
    host.switch(host.release("a", 1, clocks=[TIMER]))
    live = Activation("c", 3)
    Path(host.layout.release("c")).mkdir(parents=True)
    Path(activations.secrets(host.layout, 3)).write_text("")
    host.switch(live)
    assert host.running == set() and unit_files.of_app(host.layout) == [] and handover.starts(host.layout) == []


def test_a_neighbour_whose_name_begins_the_same_is_left_alone(host):
    other = Path(unit_files.FOLDER, r"emperor-worker-shop\x2d2-mail-a.1-1.service")
    other.write_text("")
    host.switch(host.release("a", 1))
    handover.remove_all(host.layout)
    handover.forget(host.layout)
    assert [path.name for path in Path(unit_files.FOLDER).glob("*.service")] == [other.name]


class Died(BaseException):
    """The controller's end: nothing is put back."""


ENDS = ("", "prepare", "hand over", "lead", "timers")


def play(host, activation, end, how):
    """Take a release as far as ``end``; a refusal is reverted, a death is not."""
    before = activations.live(host.layout)
    steps = {
        "prepare": lambda: handover.prepare(host.layout, activation, MANIFEST),
        "hand over": lambda: handover.hand_over(host.layout, activation, MANIFEST),
        "lead": lambda: host.lead(activation),
        "timers": lambda: handover.set_timers(host.layout, activation, MANIFEST),
    }
    try:
        for name, step in steps.items():
            step()
            if name == end:
                raise how(name)
        handover.settle(host.layout, activation)
    except Refusal:
        if before:
            host.lead(before)
            handover.ensure(host.layout, before, MANIFEST)
        elif os.path.lexists(host.layout.socket):
            os.remove(host.layout.socket)  # a first release is unswitched
        handover.settle(host.layout, before)
    except Died:
        host.step_died()


STATED = ((), BOTH, BOTH[:1], BOTH[1:])
PLAYS = st.lists(
    st.tuples(st.sampled_from(STATED), st.booleans(), st.sampled_from(ENDS), st.sampled_from((Refusal, Died))),
    max_size=6,
)


@given(plays=PLAYS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happened_before_the_next_release_runs_what_it_states_and_nothing_else(host, tmp_path_factory, plays):
    host.move(tmp_path_factory.mktemp("host"))
    live = None
    for number, (stated, timed, end, how) in enumerate(plays, 1):
        activation = host.release(f"{number:x}", number, stated, [TIMER] if timed else [])
        play(host, activation, end, how)
        live = activations.live(host.layout)
        if how is Died and end == "hand over" and host.comes_back:
            works = {unit_texts.worker_of(host.layout, unit) for unit in host.running if "worker" in unit}
            assert {start.release for _name, start in works} == {live.release}, "what served before works on"
        if how is Refusal and end:
            assert host.amiss(live) is None if live else not host.running, "what served before works on"
    host.switch(last := host.release("fff", 99, BOTH, [TIMER]))
    assert host.names() == sorted([*of("fff.99"), "timer-shop-digest.timer"])
    assert host.amiss(last) is None and handover.starts(host.layout) == [last]
    assert all("fff.99" in unit for unit in unit_files.of_app(host.layout) if "worker" in unit)


def test_a_release_that_comes_back_while_its_old_workers_finish_starts_new_ones(host, monkeypatch):
    """What is left of the old ones is taken away when their time is over: nothing of the new ones may be among it."""
    first, second = host.release("a", 1), host.release("b", 2)
    host.switch(first)
    real, taken = host.run, []
    deaf = lambda argv: real(argv) if argv[1] != "stop" or "--no-block" not in argv else ""  # noqa: E731
    monkeypatch.setattr(workers, "run", deaf)
    monkeypatch.setattr(systemd, "schedule", lambda unit, seconds, argv: taken.extend(argv[2:]))
    host.switch(second)
    again = host.release("a", 3)
    host.switch(again)
    assert set(of("a.3")) <= set(host.names())
    assert host.amiss(again) is None
    assert [path for path in taken if "a.3" in path] == [] and [path for path in taken if "a.1" in path] != []


def test_a_timer_that_goes_does_not_run_once_more(host, monkeypatch):
    queued = {**TIMER, "overlap": "queue"}
    monkeypatch.setattr(unit_texts, "QUEUED", str(host.root_of("queued")))
    host.switch(host.release("a", 1, [], [queued]))
    mark = Path(unit_texts.QUEUED, "emperor-timer-shop-digest.service")
    mark.touch()
    stopped = []
    monkeypatch.setattr(systemd, "stop", lambda *units: stopped.append((mark.exists(), units)))
    host.switch(host.release("b", 2, []))
    assert not mark.exists()
    assert [there for there, units in stopped if "emperor-timer-shop-digest.service" in units] == [False]


def test_a_timer_that_comes_back_was_not_due_meanwhile(host, monkeypatch):
    """systemd starts a timer at once that was due since the last time that it has written down."""
    monkeypatch.setattr(timers, "STAMPS", str(host.root_of("stamps")))
    host.switch(host.release("a", 1, [], [TIMER]))
    stamp = Path(timers.STAMPS, "stamp-emperor-timer-shop-digest.timer")
    stamp.touch()
    host.switch(host.release("b", 2, [], [TIMER]))
    assert stamp.exists()
    host.switch(host.release("c", 3, []))
    assert not stamp.exists()
