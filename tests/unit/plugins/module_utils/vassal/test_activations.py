"""Activations: their names and numbers, what a run that died leaves behind, the switch, and waiting for a healthy answer."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import NEW, Access
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation, Start
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health
from hypothesis import given
from hypothesis import strategies as st

RELEASE = "0123456789ab"
MANIFEST = {"uwsgi": "/opt/uwsgi/bin/uwsgi", "interpreter": "/venv/bin/python", "limits": {"files": 300, "log": 2**20}}
NUMBERS = st.lists(st.integers(1, 500), unique=True, max_size=6)
QUIET = Start(None, 0, 0, 0, (), 0)  # before it nothing was logged, and no Emperor ran
UNIT = "uwsgi-emperor@shop.service"


def make(root):
    """An app's folders under another root than /."""
    layout = Layout("shop", str(root))
    for folder in (layout.run, layout.secrets, layout.vassals, layout.logs, layout.release(RELEASE)):
        Path(folder).mkdir(parents=True)
    Path(layout.release(RELEASE), "uwsgi.ini").write_text("[uwsgi]\nthreads = 2\n")
    return layout


@pytest.fixture(autouse=True)
def scheduled(monkeypatch):
    """No accounts and no systemd; what systemd was asked to run later."""
    asked = []
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    monkeypatch.setattr(systemd, "schedule", lambda *asked_for: asked.append(asked_for))
    return asked


@pytest.fixture
def layout(tmp_path):
    return make(tmp_path)


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(1, 10**6))
def test_an_activation_is_known_by_its_names(release, number):
    activation = Activation(release, number)
    for name in (f"run/{activation}.sock", f"/etc/uwsgi/vassals/shop/{activation}.ini"):
        assert Activation.parse(name) == activation


@pytest.mark.parametrize(
    "name",
    [None, "", "emperor.stats", f"{RELEASE}.ini", f"{RELEASE}.1.ini.emperor-new", "x.1.ini", "ab.01", "ab.1\n"]
    + [f"ab.{'9' * 90}.sock", "ab.\u0663.sock"],
)
def test_other_names_are_no_activation(name):
    assert Activation.parse(name) is None


@given(inis=NUMBERS, secrets=NUMBERS, live=st.none() | st.integers(1, 500))
def test_a_number_never_comes_back_and_leftovers_are_all_but_the_live_one(tmp_path_factory, inis, secrets, live):
    layout = make(tmp_path_factory.mktemp("host"))
    for number in inis:
        Path(activations.ini(layout, Activation(RELEASE, number))).touch()
    for number in secrets:
        Path(activations.secrets(layout, number)).touch()
    activation = None
    if live is not None:
        activation = Activation(RELEASE, live)
        os.symlink(f"run/{activation}.sock", layout.socket)
    assert activations.live(layout) == activation
    following = activations.following(layout, RELEASE).number
    assert following > max([*inis, *secrets, live or 0])
    assert {other.number for other in activations.leftovers(layout, activation)} == {*inis, *secrets} - {live}
    for other in activations.leftovers(layout, activation):
        activations.retire(layout, other)
    assert activations.leftovers(layout, activation) == []
    assert {int(name) for name in os.listdir(layout.secrets)} == {*secrets} & {live}
    assert activations.following(layout, RELEASE).number == following + 1, "also of one of which nothing is left"
    assert [os.stat(path).st_mode & 0o777 for path in (layout.state, layout.counter)] == [0o700, 0o600]


@given(text=st.one_of(st.binary(max_size=40), st.just(b"9" * 90), st.just("\u0663".encode())), live=st.integers(1, 500))
def test_a_counter_that_a_power_failure_spoilt_leaves_the_numbers_that_are_known(tmp_path_factory, text, live):
    layout = make(tmp_path_factory.mktemp("host"))
    os.symlink(f"run/{RELEASE}.{live}.sock", layout.socket)
    os.makedirs(layout.state)
    Path(layout.counter).write_bytes(text)
    first, second = activations.following(layout, RELEASE).number, activations.following(layout, RELEASE).number
    assert live < first == second - 1


def test_a_number_that_cannot_be_remembered_is_not_given(layout):
    activations.following(layout, RELEASE)
    Path(layout.counter + NEW).mkdir()
    with pytest.raises(IsADirectoryError):
        activations.following(layout, RELEASE)
    assert Path(layout.counter).read_text() == "1\n"


def test_what_an_app_writes_has_no_say_in_numbers_and_stops_nothing(layout, scheduled):
    for name in ("aa.1.sock", f"ab.{'9' * 90}.sock", f"{RELEASE}.499.sock"):
        Path(layout.run, name).mkdir()
    assert activations.following(layout, RELEASE) == Activation(RELEASE, 1)
    Path(activations.ini(layout, Activation("aa", 1))).touch()
    activations.retire(layout, Activation("aa", 1))
    assert activations.leftovers(layout, None) == []
    assert len(os.listdir(layout.run)) == 3


def test_what_is_left_of_a_retired_activation_is_ended_once_its_mercy_is_over(tmp_path, scheduled):
    layout = Layout("my-shop", str(tmp_path))
    for folder in (layout.vassals, layout.secrets):
        Path(folder).mkdir(parents=True)
    activation = Activation(RELEASE, 3)
    Path(activations.ini(layout, activation)).touch()
    Path(activations.secrets(layout, 3)).touch()
    Path(activations.secrets(layout, 4)).touch()
    for other in [activation, *activations.leftovers(layout, None)]:
        activations.retire(layout, other)
    unit = rf"emperor-end-my\x2dshop-{RELEASE}.3"
    assert scheduled == [(unit, activations.MERCY, [activations.END, "my-shop", f"{RELEASE}.3"])], (
        "only of what was started"
    )
    assert os.listdir(layout.vassals) == os.listdir(layout.secrets) == []


def test_that_an_end_cannot_be_scheduled_is_warned_about_and_no_failure(layout, monkeypatch):
    def refuse(*_arguments):
        raise CommandFailed(["systemd-run"], 1, "no bus")

    told = []
    monkeypatch.setattr(systemd, "schedule", refuse)
    monkeypatch.setattr(activations, "warn", told.append)
    Path(activations.ini(layout, Activation(RELEASE, 3))).touch()
    activations.retire(layout, Activation(RELEASE, 3))
    assert "app 'shop'" in told[0] and "no bus" in told[0] and f"{activations.END} shop {RELEASE}.3" in told[0]
    assert activations.governed(layout) == []


class Processes:
    """A folder as /proc, with an app's own processes and others'."""

    def __init__(self, root):
        self.proc = str(root)
        self.add(1, "/init.scope")

    def add(self, pid, group=f"/system.slice/{UNIT}", name=b"python3\0app.py\0", environment=b""):
        folder = Path(self.proc, str(pid))
        folder.mkdir()
        (folder / "cgroup").write_text(f"0::{group}\n")
        (folder / "cmdline").write_bytes(name)
        (folder / "environ").write_bytes(environment)


def test_an_activations_processes_carry_its_name_or_were_started_with_it(layout, tmp_path):
    (tmp_path / "proc").mkdir()
    there = Processes(tmp_path / "proc")
    mark = f"EMPEROR_VASSAL={RELEASE}.2".encode()
    there.add(10, name=b"/opt/uwsgi/current/bin/uwsgi\0--emperor\0")
    there.add(11, name=f"shop@{RELEASE}.2 uWSGI master\0".encode())
    there.add(12, environment=b"PATH=/bin\0" + mark + b"\0HOME=/\0")
    there.add(13, environment=mark)
    there.add(14, name=f"/venv/bin/python\0/bin/uwsgi\0--ini\0{RELEASE}.20.ini\0".encode())
    there.add(15, name=f"shop@{RELEASE}.20 renamed\0".encode(), environment=mark + b"\0")
    there.add(16, environment=b"NOT_" + mark + b"\0" + mark + b"x\0X=\xff\n" + mark + b"\0")
    there.add(17, name=b"\xff" * 5000, environment=b"\xff" * 1_000_000)
    there.add(18, name=f"shop@{'f' * 90}.{'9' * 90} ".encode(), environment=b"EMPEROR_VASSAL=ab.\xd9\xa3\0")
    assert activations.processes(layout, Activation(RELEASE, 2), there.proc) == [11, 12, 13]
    assert activations.running(layout, there.proc) == [Activation(RELEASE, 2), Activation(RELEASE, 20)]


def test_no_neighbour_can_pretend_to_be_an_activation(layout, tmp_path):
    (tmp_path / "proc").mkdir()
    there = Processes(tmp_path / "proc")
    name, mark = f"shop@{RELEASE}.2 uWSGI master\0".encode(), f"EMPEROR_VASSAL={RELEASE}.2\0".encode()
    for pid, group in enumerate(
        ("/system.slice/uwsgi-emperor@other.service", "/user.slice/user-1000.slice/x.scope", "/"), 20
    ):
        there.add(pid, group, name, mark)
    assert activations.running(layout, there.proc) == []
    assert activations.processes(layout, Activation(RELEASE, 2), there.proc) == []


def test_an_activation_names_its_uwsgi_environment_and_secrets(layout):
    activations.stage(layout, Activation(RELEASE, 3), "export KEY='x'\n")
    activations.start(layout, Activation(RELEASE, 3), MANIFEST, 0)
    assert Path(layout.secrets, "3").read_text() == "export KEY='x'\n"
    ini = Path(layout.vassals, f"{RELEASE}.3.ini")
    assert ini.read_text().splitlines() == [
        "; uwsgi = /opt/uwsgi/bin/uwsgi",
        "; python = /venv/bin/python",
        f"; env = {layout.release(RELEASE)}/env",
        f"; secrets = {layout.secrets}/3",
        "; files = 300",
        "; bytes = 1048576",
        "[uwsgi]",
        "threads = 2",
    ]
    assert ini.stat().st_mode & 0o777 == 0o640


def test_the_switch_is_links_and_they_are_relative(layout):
    activations.switch(layout, Activation(RELEASE, 1))
    activations.switch(layout, Activation(RELEASE, 2))
    assert os.readlink(layout.socket) == f"run/{RELEASE}.2.sock"
    assert os.readlink(layout.current) == f"releases/{RELEASE}"
    assert os.readlink(layout.nginx_conf) == "current/nginx.conf"
    assert activations.live(layout) == Activation(RELEASE, 2)


def answering(layout, activation, *answers):
    """Let a vassal answer one connection after the other with these bytes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(activations.socket(layout, activation))
    listener.listen()

    def serve():
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
        listener.close()

    threading.Thread(target=serve, daemon=True).start()


def test_waiting_ends_with_the_first_healthy_answer(layout):
    activation = Activation(RELEASE, 1)
    answering(layout, activation, b"HTTP/1.1 500 X\r\n\r\nno", b"HTTP/1.1 200 OK\r\n\r\nyes")
    activations.wait_until_healthy(layout, activation, Health("/", ("200-399",), 10), QUIET)


def test_waiting_in_vain_names_the_answer_and_the_logs_end(layout):
    Path(layout.log).write_text("of an earlier release\n")
    activation = Activation(RELEASE, 1)
    answering(layout, activation, *[b"HTTP/1.1 500 X\r\n\r\nthe database is on fire"] * 100)
    start = activations.start(layout, activation, MANIFEST, 0)
    Path(layout.log).write_text("of an earlier release\nTraceback: fire\n")
    with pytest.raises(Refusal) as refusal:
        activations.wait_until_healthy(layout, activation, Health("/up", ("200-399",), 1), start)
    message = str(refusal.value)
    assert "does not answer /up with 200-399 within 1 seconds: it answers 500: the database is on fire" in message
    assert "Traceback: fire" in message
    assert "of an earlier release" not in message


def test_a_vassal_that_never_opened_its_socket_is_explained_by_the_emperor(layout):
    Path(layout.emperor_log).write_text("of an earlier release\n")
    start = activations.start(layout, Activation(RELEASE, 1), MANIFEST, 0)
    Path(layout.emperor_log).write_text("of an earlier release\nunrecognized option threds\n")
    with pytest.raises(
        Refusal, match=r"(?s)did not open its socket\nThe end of \S+/emperor\.log:\nunrecognized .* threds$"
    ):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1), start)


def test_a_start_that_nobody_logged_is_not_explained_by_an_older_one(layout):
    for log in (layout.log, layout.emperor_log):
        Path(log).write_text("of an earlier release\n")
    start = activations.start(layout, Activation(RELEASE, 1), MANIFEST, 0)
    with pytest.raises(
        Refusal, match=rf"Neither {layout.log} nor {layout.emperor_log} says anything since it was started\.$"
    ):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1), start)


def test_a_log_that_was_rotated_meanwhile_is_read_from_its_beginning(layout):
    Path(layout.log).write_text("of an earlier release\n" * 100)
    start = activations.start(layout, Activation(RELEASE, 1), MANIFEST, 0)
    Path(layout.log).write_text("ImportError: no such thing\n")
    with pytest.raises(Refusal, match=r"log:\nImportError: no such thing$"):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1), start)


def test_an_emperor_that_is_stopped_is_named_with_what_continues_it(layout):
    Path(layout.log).write_text("chatter of the live vassal\n")
    with subprocess.Popen(["sleep", "1000"]) as emperor:
        emperor.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, emperor.pid, os.WSTOPPED | os.WNOWAIT)
        start = activations.start(layout, Activation(RELEASE, 1), MANIFEST, emperor.pid)
        said = rf"its Emperor \(process {emperor.pid}\) is stopped .*: systemctl kill --signal=CONT uwsgi-emperor@shop$"
        try:
            with pytest.raises(Refusal, match=said):
                activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1), start)
        finally:
            emperor.kill()


def test_a_candidate_that_was_killed_for_memory_is_told_so_at_once(layout, tmp_path):
    counter = tmp_path / "memory.events"
    counter.write_text("oom 5\noom_kill 5\n")
    Path(layout.log).write_text("*** Starting uWSGI\n")
    start = Start(None, 0, 0, 0, (str(tmp_path),), 4)
    with pytest.raises(Refusal) as refusal:
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 10**6), start)
    message = str(refusal.value)
    assert message.startswith(f"the release {RELEASE} was killed for memory: ")
    assert "raise limits.memory, lower processes, or say preload: true where that is safe" in message
    assert message.endswith("*** Starting uWSGI")
    answering(layout, Activation(RELEASE, 2), b"HTTP/1.1 200 OK\r\n\r\nyes")
    activations.wait_until_healthy(layout, Activation(RELEASE, 2), Health("/", ("200",), 10), start)


TRACE = (
    'Traceback (most recent call last):\n  File "serve.py", line 1, in load\n    import shop\nImportError: no such thing\n'
    "2026-11-30T20:50:15+0000 - unable to load app 0\n"
)


ENDED = "Fri Nov 27 06:20:41 2026 - [emperor] removed uwsgi instance {}.1.ini\n"


def test_a_candidate_that_has_ended_is_not_waited_for_and_the_cause_stands_first(layout):
    attempt = "*** Starting uWSGI 2.0.31 ***\n"
    Path(layout.log).write_text(f"{attempt}{TRACE}{attempt}")
    Path(layout.emperor_log).write_text(ENDED.format("ab") + ENDED.format(RELEASE))
    with pytest.raises(Refusal) as refusal:
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 60), QUIET)
    first, where, *log = str(refusal.value).splitlines()
    assert first == f"the release {RELEASE} cannot start: ImportError: no such thing"
    assert where == f"The end of {layout.log}:"
    assert log == TRACE.splitlines()[:-1]


def test_an_option_that_uwsgi_does_not_know_is_named(layout):
    Path(layout.log).write_text("")
    unknown = "[strict-mode] unknown config directive: no-such-option\n"
    Path(layout.emperor_log).write_text(unknown + ENDED.format(RELEASE))
    with pytest.raises(
        Refusal, match=f"the release {RELEASE} cannot start: uWSGI has no option 'no-such-option'; correct vassal_extra"
    ):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 60), QUIET)


def test_others_that_start_and_end_beside_a_candidate_are_not_taken_for_it(layout):
    """The live vassal, where the Emperor did not run before; an older one that goes."""
    Path(layout.log).write_text("*** Starting uWSGI 2.0.31 ***\n" * 3)
    Path(layout.emperor_log).write_text(ENDED.format("ab") * 3)
    answering(layout, Activation(RELEASE, 1), b"HTTP/1.1 500 X\r\n\r\nno", b"HTTP/1.1 200 OK\r\n\r\nyes")
    activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 10), QUIET)


def test_a_candidate_whose_processes_have_ended_is_not_waited_for(layout, monkeypatch):
    looks = iter([[], [], [7], [], [7], [], []])  # not yet; there; executing another program; there; gone
    monkeypatch.setattr(activations, "processes", lambda *_: next(looks, []))
    Path(layout.log).write_text("no traceback\n")
    with pytest.raises(Refusal, match=rf"^the release {RELEASE} cannot start: its processes have ended\n"):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 60), QUIET)
    assert next(looks, None) is None


def test_the_cause_is_not_pushed_out_by_the_attempts_that_follow(layout):
    attempt = "*** Starting uWSGI 2.0.31 ***\n" + "chatter\n" * 15
    text = "line of the live vassal\n" + attempt + "ImportError: no such thing\n" + attempt + attempt
    Path(layout.log).write_text(text)
    with pytest.raises(Refusal, match=r"ImportError: no such thing$"):
        activations.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1), QUIET)


@pytest.mark.parametrize(
    ("idle", "tasks", "listens", "asleep"),
    [
        (900, 2, True, True),
        (900, 5, True, False),
        (900, None, True, False),
        (900, 2, False, False),
        (0, 2, True, False),
    ],
    ids=["asleep", "awake", "not counted", "gone", "never sleeps"],
)
def test_an_app_sleeps_where_only_its_master_is_left_and_listens(layout, monkeypatch, idle, tasks, listens, asleep):
    monkeypatch.chdir(layout.run)  # a socket's path is short
    activation = Activation(RELEASE, 1)
    monkeypatch.setattr(activations, "socket", lambda _layout, activation: f"{activation}.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{activation}.sock")
        if listens:
            server.listen()
        emperor = systemd.State("active", "enabled", "", 0, tasks)
        assert activations.is_asleep(layout, activation, {"idle": idle}, emperor) is asleep
        server.setblocking(False)
        with pytest.raises(OSError):  # nobody has knocked
            server.accept()
        os.unlink(f"{activation}.sock")
        assert not activations.is_asleep(layout, activation, {"idle": idle}, emperor)
