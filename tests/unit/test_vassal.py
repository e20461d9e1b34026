"""Activations: their names and numbers, what a run that died leaves behind, the switch, and waiting for a healthy answer."""

import os
import socket
import threading
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import vassal
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_client import Health
from ansible_collections.emperor.flask.plugins.module_utils.vassal import Activation
from hypothesis import given
from hypothesis import strategies as st

RELEASE = "0123456789ab"
NUMBERS = st.lists(st.integers(1, 500), unique=True, max_size=6)


def make(root):
    """An app's folders under another root than /."""
    layout = Layout("shop", str(root))
    for folder in (layout.run, layout.secrets, layout.vassals, layout.logs, layout.release(RELEASE)):
        Path(folder).mkdir(parents=True)
    Path(layout.release(RELEASE), "uwsgi.ini").write_text("[uwsgi]\nthreads = 2\n")
    return layout


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    return make(tmp_path)


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True), st.integers(1, 10**6))
def test_an_activation_is_known_by_its_names(release, number):
    activation = Activation(release, number)
    for name in (f"run/{activation}.sock", f"/etc/uwsgi/vassals/shop/{activation}.ini"):
        assert Activation.parse(name) == activation


@pytest.mark.parametrize(
    "name", [None, "", "emperor.stats", f"{RELEASE}.ini", f"{RELEASE}.1.ini.emperor-new", "x.1.ini"]
)
def test_other_names_are_no_activation(name):
    assert Activation.parse(name) is None


@given(inis=NUMBERS, secrets=NUMBERS, live=st.none() | st.integers(1, 500))
def test_a_number_never_comes_back_and_leftovers_are_all_but_the_live_one(tmp_path_factory, inis, secrets, live):
    layout = make(tmp_path_factory.mktemp("host"))
    for number in inis:
        Path(vassal.ini(layout, Activation(RELEASE, number))).touch()
    for number in secrets:
        Path(vassal.secrets(layout, number)).touch()
    activation = None
    if live is not None:
        activation = Activation(RELEASE, live)
        os.symlink(f"run/{activation}.sock", layout.socket)
    assert vassal.live(layout) == activation
    assert vassal.following(layout, RELEASE).number > max([*inis, *secrets, live or 0])
    assert {other.number for other in vassal.leftovers(layout, activation)} == {*inis, *secrets} - {live}
    for other in vassal.leftovers(layout, activation):
        vassal.retire(layout, other)
    assert vassal.leftovers(layout, activation) == []
    assert {int(name) for name in os.listdir(layout.secrets)} == {*secrets} & {live}


def test_an_activation_names_its_uwsgi_environment_and_secrets(layout):
    vassal.stage(layout, Activation(RELEASE, 3), "export KEY='x'\n")
    vassal.start(layout, Activation(RELEASE, 3), "/opt/uwsgi/bin/uwsgi")
    assert Path(layout.secrets, "3").read_text() == "export KEY='x'\n"
    ini = Path(layout.vassals, f"{RELEASE}.3.ini")
    assert ini.read_text().splitlines() == [
        "; uwsgi = /opt/uwsgi/bin/uwsgi",
        f"; env = {layout.release(RELEASE)}/env",
        f"; secrets = {layout.secrets}/3",
        "[uwsgi]",
        "threads = 2",
    ]
    assert ini.stat().st_mode & 0o777 == 0o640


def test_the_switch_is_links_and_they_are_relative(layout):
    vassal.switch(layout, Activation(RELEASE, 1))
    vassal.switch(layout, Activation(RELEASE, 2))
    assert os.readlink(layout.socket) == f"run/{RELEASE}.2.sock"
    assert os.readlink(layout.current) == f"releases/{RELEASE}"
    assert os.readlink(layout.nginx_conf) == "current/nginx.conf"
    assert vassal.live(layout) == Activation(RELEASE, 2)


def answering(layout, activation, *answers):
    """Let a vassal answer one connection after the other with these bytes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(vassal.socket(layout, activation))
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
    vassal.wait_until_healthy(layout, activation, Health("/", ("200-399",), 10))


def test_waiting_in_vain_names_the_answer_and_the_logs_end(layout):
    Path(layout.log).write_text("of an earlier release\n")
    activation = Activation(RELEASE, 1)
    answering(layout, activation, *[b"HTTP/1.1 500 X\r\n\r\nthe database is on fire"] * 100)
    threading.Timer(0.3, lambda: Path(layout.log).write_text("of an earlier release\nTraceback: fire\n")).start()
    with pytest.raises(Refusal) as refusal:
        vassal.wait_until_healthy(layout, activation, Health("/up", ("200-399",), 1))
    message = str(refusal.value)
    assert "does not answer /up with 200-399 within 1 seconds: it answers 500: the database is on fire" in message
    assert "Traceback: fire" in message
    assert "of an earlier release" not in message


def test_a_vassal_that_never_opened_its_socket_is_explained_by_the_emperor(layout):
    Path(layout.emperor_log).write_text("unrecognized option threds\n")
    with pytest.raises(Refusal, match=r"(?s)did not open its socket.*emperor\.log.*threds"):
        vassal.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1))


def test_the_cause_is_not_pushed_out_by_the_attempts_that_follow(layout):
    attempt = "*** Starting uWSGI 2.0.31 ***\n" + "chatter\n" * 15
    text = "line of the live vassal\n" + attempt + "ImportError: no such thing\n" + attempt + attempt
    Path(layout.log).write_text("")
    threading.Timer(0.2, lambda: Path(layout.log).write_text(text)).start()
    with pytest.raises(Refusal, match=r"ImportError: no such thing$"):
        vassal.wait_until_healthy(layout, Activation(RELEASE, 1), Health("/", ("200",), 1))
