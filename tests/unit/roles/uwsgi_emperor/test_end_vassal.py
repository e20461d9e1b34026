"""What is left of a vassal is ended, and nothing else: the decision over plain data, and the program over real processes.

The control groups are files of the test's, since only systemd makes real ones; the rest of /proc is the kernel's.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from hypothesis import given
from hypothesis import strategies as st
from render import ROLES, render

OLD, NEW, OTHER = "aaaaaaaaaaaa.1", "bbbbbbbbbbbb.2", "cccccccccccc.3"
EMPEROR = 100
GROUP = "/emperor.slice/emperor-shop.slice/uwsgi-emperor@shop.service"
PROGRAM = ModuleType("end_vassal")
exec(compile((ROLES / "uwsgi_emperor/files/end_vassal.py").read_text(), "end-vassal", "exec"), PROGRAM.__dict__)


def doomed(processes, ended=OLD, governed=(NEW,), kept=(EMPEROR,)):
    """The ids that are to be killed among processes that are (parent, vassal) by id."""
    there = {pid: PROGRAM.Process(parent, 0, b"", of) for pid, (parent, of) in processes.items()}
    return PROGRAM.doomed(there, ended, set(governed), set(kept))


def test_whatever_is_of_the_ended_vassal_or_descends_from_that_goes():
    there = {100: (1, None), 7: (100, OLD), 8: (7, None), 9: (8, None), 10: (1, OLD), 11: (10, NEW), 12: (100, NEW)}
    assert doomed(there) == [7, 8, 9, 10, 11]


def test_an_orphan_goes_unless_a_vassal_that_is_there_can_have_started_it():
    there = {100: (1, None), 7: (1, None), 8: (7, None), 9: (1, NEW), 10: (1, OTHER), 11: (9, None)}
    assert doomed(there) == [7, 8, 10]


def test_a_vassal_that_finishes_its_requests_keeps_what_it_started_until_its_own_end():
    there = {100: (1, None), 7: (100, OTHER), 8: (7, OTHER), 9: (1, OTHER), 10: (1, OLD)}
    assert doomed(there) == [10]
    there = {100: (1, None), 8: (1, OTHER), 9: (1, OTHER)}
    assert doomed(there) == [8, 9], "its master is gone, and so is its mercy"


def test_the_emperor_and_what_systemd_does_with_it_stay():
    there = {100: (1, None), 101: (1, None), 7: (100, None), 8: (7, None)}
    assert doomed(there, kept=(100, 101)) == []
    assert doomed({**there, 100: (1, OLD)}) == [101]
    assert doomed(there, kept=()) == [], "without an Emperor nobody knows which orphan is one that just starts"
    assert doomed({7: (1, OLD), 8: (1, None)}, kept=()) == [7]


def test_what_root_may_not_look_into_stays_but_for_what_surely_is_of_the_ended_vassal():
    assert doomed({100: (1, None), 7: (1, PROGRAM.UNKNOWN), 8: (100, OLD), 9: (8, PROGRAM.UNKNOWN)}) == [8, 9]


TREES = st.dictionaries(
    st.integers(2, 30),
    st.tuples(st.integers(1, 30) | st.just(EMPEROR), st.sampled_from((None, OLD, NEW, OTHER, PROGRAM.UNKNOWN))),
)


@given(there=TREES, governed=st.sets(st.sampled_from((NEW, OTHER))))
def test_nothing_is_left_over_and_nothing_goes_without_a_reason(there, governed):
    there[EMPEROR] = (1, None)
    gone = set(doomed(there, governed=governed))
    living = {*governed, PROGRAM.UNKNOWN, *(of for parent, of in there.values() if parent == EMPEROR)} - {OLD, None}
    begun = {pid for pid, (parent, of) in there.items() if of == OLD or (parent == 1 and of not in living)} - {EMPEROR}
    assert begun <= gone
    for pid, (parent, _) in there.items():
        assert pid == EMPEROR or parent not in gone or pid in gone
        assert pid not in gone or pid in begun or parent in gone
    assert EMPEROR not in gone


class Host:
    """An app's folders, and a /proc whose control groups are as a test wants them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.started = root, []
        self.inis, self.run = root / "etc/uwsgi/vassals/shop", root / "var/www/shop/run"
        self.log = root / "var/log/uwsgi/shop/shop_uwsgi.log"
        for folder in (self.inis, self.run, self.log.parent, root / "bin"):
            folder.mkdir(parents=True)
        (root / "bin/systemctl").write_text(f"#!/bin/sh\ncat {root}/main-pid\n")
        (root / "bin/systemctl").chmod(0o755)
        monkeypatch.setenv("PATH", f"{root}/bin:{os.environ['PATH']}")
        self.log.write_text("as it was\n")
        (self.inis / f"{NEW}.ini").touch()
        self.see(1, "/init.scope")
        self.emperor = self.start("sleep", "1000")
        (root / "main-pid").write_text(f"MainPID={self.emperor.pid}\nControlPID=0\n")

    def see(self, pid: int, group: str = GROUP) -> None:
        """Let a process have a control group."""
        folder = self.root / "proc" / str(pid)
        folder.mkdir(parents=True)
        (folder / "cgroup").write_text(f"4:memory:{group}\n1:name=systemd:{group}\n0::/\n")
        for name in ("stat", "cmdline", "environ", "comm"):
            (folder / name).symlink_to(f"/proc/{pid}/{name}")

    def start(self, *argv: str, of: str = "", group: str = GROUP) -> subprocess.Popen[str]:
        """Start a process of a vassal."""
        environment = {"PATH": os.environ["PATH"], **({"EMPEROR_VASSAL": of} if of else {})}
        process = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True)
        self.started.append(process)
        self.see(process.pid, group)
        return process

    def end(self, ended: str = OLD) -> None:
        """Run the program."""
        PROGRAM.main("shop", ended, str(self.root))

    def alive(self) -> list[subprocess.Popen[str]]:
        """The processes that run."""
        return [process for process in self.started if process.poll() is None]


@pytest.fixture
def host(tmp_path, monkeypatch):
    made = Host(tmp_path, monkeypatch)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_real_processes_of_the_ended_vassal_are_killed_and_said(host, capfd):
    marked = host.start("sleep", "1001", of=OLD)
    parent = host.start("sh", "-c", "env -i sleep 1003 & echo $!; wait", of=OLD)
    child = int(parent.stdout.readline())
    host.see(child)
    others = [
        host.start("sleep", "1004", of=NEW),
        host.start("sleep", "1005", of=f"{OLD}1"),
        host.start("sleep", "1006", of=OLD, group=GROUP.replace("@shop", "@other")),
        host.start("sleep", "1007", of=OLD, group="/user.slice/user-1000.slice/user@1000.service" + GROUP),
    ]
    host.end()
    assert [process.wait() for process in (marked, parent)] == [-signal.SIGKILL] * 2
    assert not os.path.exists(f"/proc/{child}/exe")
    assert host.alive() == [host.emperor, *others]
    told = host.log.read_text()
    assert told.startswith("as it was\n")
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} - ", line) for line in told.splitlines()[1:])
    for pid in (marked.pid, parent.pid, child):
        assert len(re.findall(rf"killed process {pid} '\w+' of .*, which had run for \d+ s", told)) == 1
    assert capfd.readouterr().out.count("killed process ") == 3


def test_a_process_that_uwsgi_named_is_known_by_its_name(host):
    argv = [f"shop@{OLD} uWSGI worker 1", "1000"]
    named = subprocess.Popen(argv, executable="/bin/sleep", env={}, stdout=subprocess.PIPE)
    host.started.append(named)
    host.see(named.pid)
    host.end()
    assert named.wait() == -signal.SIGKILL
    assert f"'shop@{OLD} uWSGI worker 1' of the vassal {OLD}" in host.log.read_text()


def test_an_orphan_of_a_governed_vassal_stays_and_one_of_none_goes(host, monkeypatch):
    orphans = []
    for of in (NEW, OLD, ""):
        shell = host.start("sh", "-c", "sleep 1000 >/dev/null & echo $!", of=of)
        orphans.append(int(shell.communicate()[0]))
        host.see(orphans[-1])
    parent = int(Path(f"/proc/{orphans[0]}/stat").read_text().rpartition(")")[2].split()[1])
    monkeypatch.setattr(PROGRAM, "INIT", parent)  # 1, but where something else adopts orphans
    host.end(OTHER)
    try:
        os.kill(orphans[0], 0)
        assert [pid for pid in orphans if f"killed process {pid} " in host.log.read_text()] == orphans[1:]
        assert f"killed process {orphans[2]} 'sleep' of no vassal" in host.log.read_text()
    finally:
        os.kill(orphans[0], signal.SIGKILL)


def test_of_a_governed_vassal_nothing_is_ended(host):
    serving = host.start("sleep", "1000", of=NEW)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(host.run / f"{NEW}.sock"))
        with pytest.raises(SystemExit, match=f"{NEW} of shop has its ini in .*; nothing is ended"):
            host.end(NEW)
    assert serving in host.alive()
    assert (host.run / f"{NEW}.sock").exists()


def test_without_an_answer_of_systemds_nothing_is_ended(host):
    left = host.start("sleep", "1000", of=OLD)
    (host.root / "main-pid").unlink()
    with pytest.raises(SystemExit, match="does not say which process is the Emperor of shop; nothing is ended"):
        host.end()
    assert left in host.alive()


def test_another_process_that_has_got_the_id_meanwhile_is_not_killed(host):
    program = PROGRAM.Host(host.root, "shop")
    left = host.start("sleep", "1000", of=OLD)
    seen = program.look(left.pid)
    assert not program.kill(left.pid, PROGRAM.Process(1, seen.began - 1, b"", OLD))
    (host.root / f"proc/{left.pid}/cgroup").write_text("0::/system.slice/ssh.service\n")
    assert not program.kill(left.pid, seen)
    assert left in host.alive()
    assert not program.kill(2**22 + 1, seen)


def test_what_cannot_be_killed_is_named(host, monkeypatch):
    left = host.start("sleep", "1000", of=OLD)
    monkeypatch.setattr(PROGRAM, "PATIENCE", 0)
    monkeypatch.setattr(PROGRAM.Host, "kill", lambda *arguments: False)
    with pytest.raises(SystemExit, match=f"after 0 s there is still left of {OLD} of shop: process {left.pid}$"):
        host.end()


def test_its_socket_goes_and_nothing_else_that_stands_there(host):
    path = host.run / f"{OLD}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    host.end()
    assert os.listdir(host.run) == []
    for put in (path.mkdir, path.touch, lambda: path.symlink_to(host.log), lambda: os.mkfifo(path)):
        put()
        host.end()
        assert os.listdir(host.run) == [path.name]
        path.rmdir() if path.is_dir() else path.unlink()
    host.run.rmdir()
    host.end()


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "none"])
def test_a_log_that_is_no_file_is_not_written_to(host, kind):
    stranger = host.root / "stranger"
    stranger.touch()
    host.log.unlink()
    {
        "fifo": lambda: os.mkfifo(host.log),
        "link": lambda: host.log.symlink_to(stranger),
        "folder": host.log.mkdir,
        "none": lambda: None,
    }[kind]()
    left = host.start("sleep", "1000", of=OLD)
    host.end()
    assert left.wait() == -signal.SIGKILL
    assert stranger.read_text() == ""
    assert host.log.exists() == (kind in ("fifo", "folder", "link"))


@given(st.binary(max_size=200))
def test_no_name_reaches_a_terminal_as_it_is(name):
    shown = PROGRAM.printable(b"\x1b[2J" + name)
    assert shown.startswith("\\x1b[2J") and shown.isascii() and shown.isprintable()


@pytest.mark.parametrize(
    "arguments",
    [(), ("shop",), ("shop", "x"), ("../shop", OLD), ("shop", f"{OLD}.sock"), ("-h", OLD), ("shop", f"ab.{'9' * 90}")],
)
def test_other_arguments_are_refused(arguments):
    with pytest.raises(SystemExit, match="usage: end-vassal APP RELEASE.N"):
        PROGRAM.main(*arguments)


def test_it_comes_after_the_emperor_has_given_up_on_a_vassal():
    emperor = render("uwsgi_emperor", "emperor.ini.j2")
    (tolerance,) = re.findall(r"^emperor-curse-tolerance = (\d+)$", emperor, re.MULTILINE)
    (frequency,) = re.findall(r"^emperor-freq = (\d+)$", emperor, re.MULTILINE)
    assert int(tolerance) + int(frequency) < activations.MERCY
