"""What the kernel says of sockets, whatever their paths say."""

import contextlib
import os
import socket
import threading

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import unix_sockets


@pytest.fixture
def listen(tmp_path, monkeypatch):
    """Begin to listen on a path in a folder of the test's."""
    monkeypatch.chdir(tmp_path)
    with contextlib.ExitStack() as stack:

        def listen(path):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(path)
            server.listen(10)
            return server

        yield listen


@pytest.fixture
def connect():
    """Connect to a path so many times."""
    with contextlib.ExitStack() as stack:

        def connect(path, times):
            for _ in range(times):
                stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)

        yield connect


def test_connections_that_wait_and_that_are_in_hand_are_told_apart(listen, connect):
    server, idle = listen("live.sock"), listen("idle.sock")
    connect("live.sock", 5)
    accepted = [server.accept()[0] for _ in range(2)]
    assert unix_sockets.in_hand(["live.sock", "idle.sock", "none.sock"]) == {"live.sock": (3, 2), "idle.sock": (0, 0)}
    accepted.pop().close()
    assert unix_sockets.in_hand(["live.sock"]) == {"live.sock": (3, 1)}
    idle.close()
    assert unix_sockets.in_hand(["idle.sock"]) == {}, "nobody listens any more"


def test_a_path_that_reads_like_anothers_counts_for_itself(listen, connect, tmp_path, monkeypatch):
    """An app may bind what it likes: lines, spaces, the text of another app's path, and paths from elsewhere."""
    live = f"{tmp_path}/live.sock"
    listen("live.sock")
    os.mkdir("evil")
    monkeypatch.chdir("evil")
    for path in ("live.sock", "x\nu_str LISTEN 99 128 live.sock 1 * 0", " 99 live.sock"):
        listen(path)
        connect(path, 4)
    listen(f"\0{live}")  # in no file system
    connect(f"\0{live}", 4)
    assert unix_sockets.in_hand([live]) == {live: (0, 0)}


def test_what_is_no_socket_has_no_figures(listen, tmp_path):
    listen("live.sock")
    os.symlink("live.sock", "link.sock")
    os.mkfifo("fifo.sock")
    (tmp_path / "file.sock").touch()
    assert unix_sockets.in_hand(["link.sock", "fifo.sock", "file.sock", str(tmp_path), ""]) == {}


def test_many_sockets_come_in_many_answers(listen, connect):
    listen("live.sock")
    pairs = [socket.socketpair() for _ in range(3000)]
    connect("live.sock", 7)
    assert unix_sockets.in_hand(["live.sock"]) == {"live.sock": (7, 0)}
    for one, other in pairs:
        one.close()
        other.close()


def test_figures_can_be_asked_for_while_connections_come_and_go(listen):
    server, over = listen("live.sock"), threading.Event()

    def churn():
        while not over.is_set():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect("live.sock")
                server.accept()[0].close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(200):
            waiting, accepted = unix_sockets.in_hand(["live.sock"])["live.sock"]
            assert 0 <= waiting <= 1 and 0 <= accepted <= 1
    finally:
        over.set()
        thread.join()


def test_a_kernel_without_these_diagnostics_is_an_oserror(listen, monkeypatch):
    listen("live.sock")
    monkeypatch.setattr(unix_sockets, "BY_FAMILY", 4711)
    with pytest.raises(OSError, match="Invalid argument|not supported"):
        unix_sockets.in_hand(["live.sock"])
