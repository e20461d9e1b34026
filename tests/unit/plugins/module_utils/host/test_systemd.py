"""What systemd is asked, word by word, by stand-ins for its commands. (The host tests ask a real one.)"""

import os
import subprocess

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Stand in for a command of systemd's; the function that is given tells what each was asked."""

    def stand_in(name, text):
        (tmp_path / name).write_text(
            f'#!/bin/sh\nfor word in {name} "$@"; do echo "$word"; done >>{tmp_path}/words\n{text}\n'
        )
        (tmp_path / name).chmod(0o755)
        return lambda: (tmp_path / "words").read_text().splitlines()

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return stand_in


def test_a_command_is_scheduled_once_and_leaves_no_unit_behind(asked, monkeypatch):
    monkeypatch.setattr(systemd.time, "time", lambda: 1796018864.2)
    words = asked("systemd-run", "exit 0")
    systemd.schedule(r"emperor-end-my\x2dshop-ab.1", 75, ["/bin/end", "my-shop", "ab.1"])
    unit = r"--unit=emperor-end-my\x2dshop-ab.1"
    given = ["--quiet", "--collect", unit, "--on-calendar=@1796018939", "--timer-property=AccuracySec=1s"]
    assert words() == ["systemd-run", *given, "/bin/end", "my-shop", "ab.1"]


def test_what_is_scheduled_already_stays_and_another_failure_is_one(asked):
    asked("systemd-run", "echo no bus; exit 1")
    words = asked("systemctl", "exit 0")
    systemd.schedule("x", 1, ["/bin/end"])
    assert words()[-5:] == ["systemctl", "is-active", "--quiet", "x.timer", "x.service"]
    asked("systemctl", "exit 3")
    with pytest.raises(CommandFailed, match="no bus"):
        systemd.schedule("x", 1, ["/bin/end"])


def test_an_emperor_is_woken_by_its_process_id(asked):
    asked("systemctl", "echo 4711")
    assert systemd.main_pid("uwsgi-emperor@shop.service") == 4711
    systemd.scan_now(0)
    with subprocess.Popen(
        ["sh", "-c", "trap 'exit 7' WINCH; echo; while :; do :; done"], stdout=subprocess.PIPE
    ) as emperor:
        emperor.stdout.readline()
        systemd.scan_now(emperor.pid)
        assert emperor.wait() == 7
    systemd.scan_now(2**22 + 1)


@pytest.mark.parametrize(
    ("file", "active", "ready"),
    [
        ("enabled", "active", True),
        ("static", "active", True),
        ("enabled", "reloading", True),
        ("disabled", "active", False),
        ("", "active", False),
        ("enabled", "inactive", False),
        ("enabled", "activating", False),
        ("enabled", "failed", False),
    ],
)
def test_a_unit_is_ready_where_it_is_enabled_and_runs(asked, file, active, ready):
    words = asked("systemctl", f"printf 'ControlGroup=\\nActiveState={active}\\nUnitFileState={file}\\n'")
    assert systemd.is_ready("nginx.service") is ready
    assert words() == [
        "systemctl",
        "show",
        "--property=ActiveState,UnitFileState,ControlGroup,NRestarts,TasksCurrent",
        "nginx.service",
    ]


def test_many_units_are_one_question(asked):
    first = "NRestarts=2\\nTasksCurrent=7\\nControlGroup=/a.slice/x=1\\nActiveState=active\\nUnitFileState=enabled\\n"
    answer = f"{first}\\nActiveState=inactive\\nUnitFileState=\\nTasksCurrent=[not set]\\n"
    words = asked("systemctl", f"printf '{answer}'")
    assert systemd.states(["a.service", "gone.service"]) == {
        "a.service": systemd.State("active", "enabled", "/a.slice/x=1", 2, 7),
        "gone.service": systemd.State("inactive", "", ""),
    }
    assert words()[-2:] == ["a.service", "gone.service"]


def test_no_units_are_no_question(asked):
    asked("systemctl", "exit 1")
    assert systemd.states([]) == {}
