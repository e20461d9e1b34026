"""The units of workers and timers: what systemd makes of them is what the inventory says."""

import subprocess

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import unit_texts
from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Background, Timer, Worker
from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import Start
from ansible_collections.emperor.flask.plugins.module_utils.host import box
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

START = Activation("ab12", 7)
MANIFEST = {"code": "c0de", "venv": "1ib", "pythonpath": ["/var/www/my-shop/code/c0de"], "limits": box.LIMITS}
WORKER = Worker("mail", "celery worker", 2, "INT", 90, 5, True)
TIMER = Timer("digest", "flask digest", "*-*-* 06:00", "skip", 600, 30)


@pytest.fixture(autouse=True)
def sandbox(monkeypatch):
    monkeypatch.setattr(box, "sandbox", lambda app: ["NoNewPrivileges=yes", f"ReadWritePaths=/var/www/{app}/shared"])


def texts(workers=(), timers=()):
    return unit_texts.texts(Start(Layout("my-shop"), START, MANIFEST), Background(list(workers), list(timers)))


def settings(text):
    """The settings of a unit, each with its last value."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


def test_each_process_of_a_worker_has_a_unit_of_its_own_and_its_name():
    found = texts([WORKER])
    assert list(found) == [rf"emperor-worker-my\x2dshop-mail-ab12.7-{process}.service" for process in (1, 2)]
    first, second = map(settings, found.values())
    assert (first["Environment"], second["Environment"]) == (
        "EMPEROR_WORKER=mail-ab12.7-1",
        "EMPEROR_WORKER=mail-ab12.7-2",
    )
    assert first["Slice"] == r"emperor-my\x2dshop.slice" and first["User"] == "my-shop"
    assert (first["KillMode"], first["KillSignal"], first["TimeoutStopSec"]) == ("mixed", "SIGINT", "90")
    assert first["ReadWritePaths"] == "/var/www/my-shop/shared" and first["LimitNOFILE"] == "65536"


def test_a_unit_is_known_by_its_name_again():
    layout = Layout("my-shop")
    (unit, _second) = texts([Worker("my-mail-3", "x", 2, "TERM", 1, 1, True)])
    assert unit_texts.worker_of(layout, unit) == (r"my\x2dmail\x2d3", START)
    for other in (Layout("my"), Layout("shop"), Layout("my-shop-2")):
        assert unit_texts.worker_of(other, unit) is None
    assert unit_texts.worker_of(layout, next(iter(texts(timers=[TIMER])))) is None


@pytest.mark.parametrize(
    "word", ["plain", "two words", 'say "hi"', "$HOME ${HOME}", "50% %i %%", "back\\slash\\x2d", "it's"]
)
def test_systemd_hands_a_command_over_as_it_was_written(tmp_path, word):
    """Read back by systemd itself, where this machine has it."""
    argv = ["systemd-run", "--version"]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("no systemd on this machine")
    unit = tmp_path / "x.service"
    unit.write_text(f"[Service]\nType=oneshot\nExecStart=/bin/echo {unit_texts._quoted(word)}\n")
    asked = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr


def test_what_stands_in_a_command_is_no_syntax_of_systemds():
    assert unit_texts._quoted('a "b" \\x $HOME 5%') == '"a \\"b\\" \\\\x $$HOME 5%%"'


def test_a_timer_starts_its_command_itself_where_two_are_skipped():
    found = texts(timers=[TIMER])
    name = r"emperor-timer-my\x2dshop-digest"
    assert list(found) == [f"{name}.timer", f"{name}.service"]
    timer, command = map(settings, found.values())
    assert (timer["OnCalendar"], timer["Unit"], timer["RandomizedDelaySec"]) == ("*-*-* 06:00", f"{name}.service", "30")
    assert (command["Type"], command["TimeoutStartSec"]) == ("oneshot", "600")
    assert "[Install]" in found[f"{name}.timer"] and "[Install]" not in found[f"{name}.service"]


@pytest.mark.parametrize("overlap", ["queue", "kill"])
def test_elsewhere_something_stands_between(overlap):
    found = texts(timers=[Timer("digest", "flask digest", "daily", overlap, 600, 0)])
    name = r"emperor-timer-my\x2dshop-digest"
    assert settings(found[f"{name}.timer"])["Unit"] == f"{name}-due.service"
    # A shell reads the name, so its backslashes are in quotes there.
    assert r"my\\x2dshop" in found[f"{name}-due.service"]
    assert ("ExecStopPost" in found[f"{name}.service"]) is (overlap == "queue")
