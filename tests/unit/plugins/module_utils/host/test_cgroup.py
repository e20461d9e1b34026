"""Whose process it is, and who was killed for memory, by the control groups of each kind of host; real files under another folder than /proc."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.cgroup import (
    is_stopped,
    memory_groups,
    oom_kills,
    processes_of,
)
from hypothesis import given
from hypothesis import strategies as st

UNIT = "uwsgi-emperor@shop.service"
PATH = rf"/system.slice/system-uwsgi\x2demperor.slice/{UNIT}"
SLICE = f"/emperor.slice/emperor-shop.slice/{UNIT}"
KINDS = {
    "v2": "0::{path}\n",
    "v1": "4:memory:{path}\n2:cpu,cpuacct:/\n1:name=systemd:{path}\n",
    "hybrid": "4:memory:{path}\n1:name=systemd:{path}\n0::{path}\n",
    "a container without v2": "4:memory:{path}\n1:name=systemd:{path}\n0::/\n",
}


def process(proc, pid, cgroup):
    """Give a process control groups."""
    folder = Path(proc, str(pid))
    folder.mkdir(parents=True)
    (folder / "cgroup").write_bytes(cgroup if isinstance(cgroup, bytes) else cgroup.encode())


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("top", ["", "/docker/0123abcd"], ids=["a host", "a container that sees the host's groups"])
@pytest.mark.parametrize("path", [PATH, SLICE, f"/{UNIT}", f"{PATH}/below"])
def test_a_units_processes_are_known_by_their_control_group(tmp_path, kind, top, path):
    process(tmp_path, 1, kind.format(path=f"{top}/init.scope"))
    process(tmp_path, 30, kind.format(path=top + path))
    process(tmp_path, 4, kind.format(path=top + path))
    process(tmp_path, 5, kind.format(path=top + path.replace("@shop", "@shop-2")))
    process(tmp_path, 6, kind.format(path=f"{top}/system.slice/ssh.service"))
    (tmp_path / "7").mkdir()
    (tmp_path / "uptime").touch()
    assert processes_of(UNIT, str(tmp_path)) == [4, 30]


@pytest.mark.parametrize(
    "path",
    [
        f"/user.slice/user-1000.slice/user@1000.service/app.slice/{UNIT}",
        f"/docker/0123abcd{PATH}",
        f"/system.slice/other.service/{UNIT}",
        f"/system.slice/x{UNIT}",
        "",
    ],
)
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_unit_of_that_name_that_somebody_else_runs_is_another_one(tmp_path, kind, path):
    process(tmp_path, 1, kind.format(path="/init.scope"))
    process(tmp_path, 4, kind.format(path=path))
    assert processes_of(UNIT, str(tmp_path)) == []


@given(st.binary(max_size=300))
def test_whatever_stands_there_is_read(tmp_path_factory, text):
    proc = tmp_path_factory.mktemp("proc")
    for pid in (1, 2):
        process(proc, pid, text)
    process(proc, 3, b"\xff" * 100_000 + f"\n0::{PATH}\n".encode())
    assert set(processes_of(UNIT, str(proc))) <= {2}
    assert oom_kills(memory_groups(2, str(proc), str(proc))) == 0


def counted(root, group, name, kills):
    """Let a group have counted kills for memory."""
    folder = Path(root, group.strip("/"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"low 0\noom 7\noom_kill_disable 0\noom_kill {kills}\noom_group_kill 9\n")


@pytest.mark.parametrize(
    ("kind", "below", "name"), [("v2", "", "memory.events"), ("v1", "memory", "memory.oom_control")]
)
def test_kills_for_memory_are_counted_for_the_unit_and_its_apps_slice(tmp_path, kind, below, name):
    process(tmp_path / "proc", 9, KINDS[kind].format(path=SLICE))
    groups = memory_groups(9, str(tmp_path / "proc"), str(tmp_path))
    assert oom_kills(groups) == 0
    counted(tmp_path / below, SLICE, name, 3)
    assert oom_kills(groups) == 3
    counted(tmp_path / below, os.path.dirname(SLICE), name, 4)
    counted(tmp_path / below, SLICE, name, 0)
    assert oom_kills(groups) == 4


def test_kills_in_a_slice_that_all_apps_share_are_nobodys(tmp_path):
    process(tmp_path / "proc", 9, KINDS["v2"].format(path=PATH))
    counted(tmp_path, os.path.dirname(PATH), "memory.events", 4)
    assert oom_kills(memory_groups(9, str(tmp_path / "proc"), str(tmp_path))) == 0


def test_of_a_process_that_is_gone_nothing_is_known():
    assert memory_groups(0) == ()
    assert oom_kills(()) == 0
    assert not is_stopped(0)


def test_a_stopped_process_is_known():
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        assert not is_stopped(sleeper.pid)
        sleeper.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
        assert is_stopped(sleeper.pid)
        sleeper.kill()
