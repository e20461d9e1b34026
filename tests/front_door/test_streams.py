"""Live pages over TLS and HTTP/2, behind a trusted proxy, within a limit of connections, and while their app is closed."""

import contextlib
import shutil
import subprocess

import pytest
from conftest import CHECKOUT, FOLDER, HOSTS, PROXY, ask, deploy, on, play

HOST = HOSTS[0]
PAGE = "https://live.test"
VIA_PROXY = (*PROXY, "--header", "X-Forwarded-Proto: https")
WAYS = {
    "HTTP/1.1": ("--http1.1", f"{PAGE}/events"),
    "HTTP/2": ("--http2", f"{PAGE}/events"),
    "trusted proxy": (*VIA_PROXY, "http://live.test/events"),
}
# A websocket over TLS that sends back what it gets, until it is closed.
SOCKET = """
import socket, ssl, struct
anyone = ssl._create_unverified_context()
line = anyone.wrap_socket(socket.create_connection(("127.0.0.1", 443), timeout=120), server_hostname="live.test")
line.sendall(
    b"GET /socket HTTP/1.1\\r\\nHost: live.test\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n"
)
heard = line.makefile("rb")
print(heard.readline().decode().strip(), flush=True)
while heard.readline() != b"\\r\\n":
    pass
line.sendall(struct.pack("!BBI", 0x81, 0x80 | 5, 0) + b"hello")
kind = 0
while kind != 0x88:
    kind, length = struct.unpack("!BB", heard.read(2))
    data = heard.read(length)
    if kind == 0x89:
        line.sendall(struct.pack("!BBI", 0x8A, 0x80 | length, 0) + data)
    else:
        print(data.decode() if kind == 0x81 else struct.unpack("!H", data)[0])
"""


class Live:
    """The example app with live pages, on one host."""

    def __init__(self):
        self.folder, self.version = FOLDER / "live", 0
        shutil.copytree(CHECKOUT / "examples/live", self.folder, dirs_exist_ok=True)
        self.entry = {
            "name": "live",
            "module": "live:app",
            "source": {"path": str(self.folder)},
            "server_names": ["live.test"],
            "tls": {"mode": "self_signed"},
            "processes": 1,
            "streams": 50,
            "connection_limit": 4,
            "shared": ["instance"],
            "env": {"HEARTBEAT": "1"},
        }

    def release(self):
        """Release another version of it."""
        self.version += 1
        (self.folder / "VERSION").write_text(f"{self.version}\n")
        deploy(hosts=[HOST], flask_apps=[self.entry])

    def maintenance(self, state):
        """Close it, or open it."""
        run = play("maintenance", "-e", "app=live", "-e", f"state={state}", hosts=[HOST], flask_apps=[self.entry])
        assert run.status == 0, run.output


@pytest.fixture(scope="module")
def live():
    """The app, released; taken away afterwards."""
    app = Live()
    app.release()
    yield app
    deploy(hosts=[HOST], flask_apps=[{"name": "live", "state": "absent"}])


@contextlib.contextmanager
def opened(*options):
    """An event stream, once it has begun."""
    where = [part for port in (80, 443) for part in ("--resolve", f"live.test:{port}:127.0.0.1")]
    argv = [
        "docker",
        "exec",
        HOST,
        "curl",
        "--silent",
        "--insecure",
        "--no-buffer",
        "--max-time",
        "120",
        *where,
        *options,
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as stream:
        assert stream.stdout.readline().startswith("id: ")
        yield stream
        stream.terminate()
    on(HOST, "pkill -x curl || :")  # it outlives `docker exec`


def heard(stream, start):
    """The next line of a stream that begins so."""
    return next(line.strip() for line in stream.stdout if line.startswith(start))


def test_a_message_comes_at_once_and_a_release_ends_every_stream_however_it_came(live):
    with contextlib.ExitStack() as stack:
        streams = {way: stack.enter_context(opened(*options)) for way, options in WAYS.items()}
        argv = ["docker", "exec", HOST, "timeout", "120", "python3", "-c", SOCKET]
        socket = stack.enter_context(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        assert socket.stdout.readline() == "HTTP/1.1 101 Switching Protocols\n"
        assert ask(HOST, f"{PAGE}/", "--data", "news").body == "kept\n"
        assert {way: heard(stream, "data:") for way, stream in streams.items()} == dict.fromkeys(WAYS, "data: news")
        live.release()
        assert all(heard(stream, "retry: ") for stream in streams.values())
        assert {way: stream.wait() for way, stream in streams.items()} == dict.fromkeys(WAYS, 0)
        assert socket.communicate()[0].splitlines() == ["hello", "1012"]


@pytest.mark.usefixtures("live")
def test_streams_count_for_the_limit_of_connections_of_the_client_behind_a_proxy():
    of = lambda address: (*VIA_PROXY, "--header", f"X-Forwarded-For: {address}", "http://live.test/events")  # noqa: E731
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(opened(*of("203.0.113.7")))
        *options, url = of("203.0.113.7")
        assert ask(HOST, url, *options).status == 429
        with opened(*of("203.0.113.8")) as other:
            assert heard(other, ":")


def test_streams_go_on_while_their_app_is_closed_and_end_with_its_release(live):
    with opened(*WAYS["HTTP/2"]) as stream:
        live.maintenance("on")
        assert heard(stream, ":")
        assert ask(HOST, f"{PAGE}/events").status == 503
        live.release()
        assert heard(stream, "retry: ") and stream.wait() == 0
        assert ask(HOST, f"{PAGE}/events").status == 503
        live.maintenance("off")
    with opened(*WAYS["HTTP/2"]):
        pass
