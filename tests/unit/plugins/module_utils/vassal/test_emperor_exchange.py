"""An Emperor is exchanged while its app is served: what is started, switched to and ended, in which order, and what a failure leaves.

systemd and the vassals are stand-ins; scenario `releases` has the real ones, and kills the step at each moment.
"""

import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations, emperor_exchange
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health

RELEASE = "a" * 12
MANIFEST = {"uwsgi": "uwsgi", "interpreter": "", "limits": {"files": 1, "log": 2}}
SECOND = "emperor-exchange-shop.service"


class Machine:
    """A host with one live app, whose Emperors do at once what is asked of them."""

    def __init__(self, root):
        self.layout, self.calls = Layout("shop", str(root)), []
        self.old, self.healthy, self.starts = True, True, True
        for folder in (self.layout.vassals, self.layout.secrets, self.layout.release(RELEASE), self.layout.run):
            os.makedirs(folder)
        os.makedirs(root / "run/systemd/system")
        (Path(self.layout.release(RELEASE)) / "uwsgi.ini").write_text("[uwsgi]\n")
        live = Activation(RELEASE, 7)
        activations.stage(self.layout, live, "export KEY='x\r\n'\n")
        activations.start(self.layout, live, MANIFEST, 0)
        activations.switch(self.layout, live)

    def exchange(self):
        emperor_exchange.exchange(self.layout, self.live, MANIFEST, Health("/", ("200",), 1))

    @property
    def live(self):
        return activations.live(self.layout)

    def settled(self):
        """Nothing of the second Emperor is left, and the live release is the first one's."""
        second = emperor_exchange.Second("shop", self.layout.root)
        gone = not os.path.exists(second.unit_file) and not os.path.exists(second.vassals)
        return gone and activations.governed(self.layout) == [self.live]


@pytest.fixture
def machine(monkeypatch, tmp_path):
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    monkeypatch.setattr(emperor_exchange, "ensure_directory", lambda path, access: os.makedirs(path, exist_ok=True))
    monkeypatch.setattr(emperor_exchange, "INTERVAL", 0)
    unit = tmp_path / "unit"
    unit.write_text("[Service]\nUser=%i\nExecStart=uwsgi --emperor /etc/uwsgi/vassals/%i\n")
    monkeypatch.setattr(emperor_exchange.box, "UNIT", str(unit))
    monkeypatch.setattr(emperor_exchange.cgroup, "processes_of", lambda unit: [])
    machine = Machine(tmp_path)

    def restart(unit):
        machine.calls.append(f"restart {unit} for {machine.live}")
        machine.old = machine.old and unit == SECOND

    systemd = emperor_exchange.systemd
    monkeypatch.setattr(systemd, "restart", restart)
    monkeypatch.setattr(systemd, "stop", lambda unit: machine.calls.append(f"stop {unit} for {machine.live}"))
    monkeypatch.setattr(systemd, "daemon_reload", lambda: None)
    monkeypatch.setattr(systemd, "main_pid", lambda unit: 0)
    monkeypatch.setattr(systemd, "schedule", lambda unit, seconds, argv: None)
    monkeypatch.setattr(emperor_exchange, "_is_old", lambda layout, emperor=None: machine.old)
    monkeypatch.setattr(activations, "is_healthy", lambda layout, activation, health: machine.healthy)

    def wait(layout, activation, health, start):
        if not machine.starts:
            raise Refusal("it cannot start")

    monkeypatch.setattr(activations, "wait_until_healthy", wait)
    return machine


def test_requests_are_elsewhere_while_the_emperor_is_restarted(machine):
    machine.exchange()
    assert machine.calls == [
        f"restart {SECOND} for {RELEASE}.7",
        f"restart uwsgi-emperor@shop.service for {RELEASE}.8",
        f"stop {SECOND} for {RELEASE}.9",
    ]
    assert machine.settled()
    assert Path(activations.secrets(machine.layout, 9)).read_bytes() == b"export KEY='x\r\n'\n"
    machine.calls.clear()
    assert not emperor_exchange.is_due(machine.layout)


def test_the_second_emperor_runs_the_changed_unit_in_the_apps_slice(machine, monkeypatch):
    read = []
    monkeypatch.setattr(
        emperor_exchange.systemd,
        "restart",
        lambda unit: read.append(Path(emperor_exchange.Second("shop", machine.layout.root).unit_file).read_text()),
    )
    machine.exchange()
    assert read[0] == (
        "[Service]\nSlice=emperor-shop.slice\nUser=shop\n"
        f"ExecStart=uwsgi --emperor {machine.layout.root}/run/emperor-flask/vassals/shop\n"
    )


def test_a_release_that_does_not_start_under_the_changed_unit_goes_on_under_the_old_one(machine, monkeypatch):
    warned = []
    monkeypatch.setattr(emperor_exchange, "warn", warned.append)
    machine.starts = False
    machine.exchange()
    assert machine.live == Activation(RELEASE, 7)
    assert machine.settled()
    assert "its release does not start under its changed unit or slice" in warned[0]
    assert "restart uwsgi-emperor" not in "".join(machine.calls)


def test_an_app_that_serves_nothing_is_just_restarted(machine):
    machine.healthy = False
    machine.exchange()
    assert machine.calls == [f"restart uwsgi-emperor@shop.service for {RELEASE}.7"]


@pytest.mark.parametrize("moment", ["the second one's start", "the restart", "the way back"])
def test_a_run_that_dies_is_finished_by_the_next_one(machine, monkeypatch, moment):
    class Died(BaseException):
        pass

    counted = {"the second one's start": 1, "the restart": 2}
    real, calls = emperor_exchange.systemd.restart, []

    def restart(unit):
        calls.append(unit)
        if len(calls) == counted.get(moment):
            raise Died
        real(unit)

    def wait(layout, activation, health, start):
        if moment == "the way back" and layout.unit != SECOND:
            raise Died

    with monkeypatch.context() as dying:
        dying.setattr(emperor_exchange.systemd, "restart", restart)
        dying.setattr(activations, "wait_until_healthy", wait)
        with pytest.raises(Died):
            machine.exchange()
    assert machine.live.number == (7 if moment == "the second one's start" else 8), (
        "what serves is not what was stopped"
    )
    assert emperor_exchange.is_due(machine.layout)
    machine.exchange()
    assert machine.settled()
    assert not emperor_exchange.is_due(machine.layout)


def test_secrets_that_cannot_be_read_start_nothing_without_them(machine, monkeypatch):
    warned = []
    monkeypatch.setattr(emperor_exchange, "warn", warned.append)
    os.unlink(activations.secrets(machine.layout, 7))
    machine.exchange()
    assert machine.live == Activation(RELEASE, 7)
    assert machine.settled()
    assert "No such file" in warned[0]


@pytest.mark.parametrize(("old", "restarts"), [(True, 1), (False, 0)])
def test_an_emperor_without_a_release_is_restarted_where_it_is_old(machine, old, restarts):
    machine.old = old
    emperor_exchange.restart_idle(machine.layout)
    assert len(machine.calls) == restarts
