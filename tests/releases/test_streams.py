"""Event streams and websockets: open for as long as they like, ended and begun again by a release, and no more than there are slots."""

import json
import subprocess

import pytest
from conftest import STREAMS, until_alone
from plays import HOSTS, App, on, until
from stream_clients import begin

(HOST,) = HOSTS
EVENTS, SOCKETS = STREAMS * 3 // 4, STREAMS // 4  # all streams that the app has
HEARTBEAT = 2  # seconds, as the fixture live says
LOG = "/var/log/uwsgi/live/live_uwsgi.log"
ASK = "curl -s -H 'Host: live.test'"


def again(app):
    """Release other code of an app."""
    (app.folder / "VERSION").write_text("two\n")
    app.deploy()


def tell(*messages):
    """Post messages to the app."""
    for message in messages:
        assert on(HOST, f"{ASK} -d '{message}' localhost/") == "kept\n"


def test_streams_outlive_the_deadline_and_end_and_begin_with_a_release_and_no_message_is_lost(live):
    clients, pid, are_open = begin(HOST, "live.test", EVENTS, SOCKETS)
    tell("one", "two")
    on(HOST, "sleep 6")
    assert are_open() == EVENTS + SOCKETS
    assert on(HOST, f"{ASK} -o /dev/null -w '%{{http_code}} %header{{retry-after}}' localhost/events") == "503 5"
    again(live)
    tell("three")
    until_alone("live")
    until(lambda: are_open() == EVENTS + SOCKETS)
    tell("four")
    on(HOST, f"sleep 3; kill -TERM {pid}")
    seen = json.loads(clients.communicate(timeout=60)[0])
    assert seen["wrong"] == [] and set(seen["statuses"]) <= {503}
    assert {tuple(events) for events in seen["events"]} == {("one", "two", "three", "four")}
    assert seen["codes"] == [1012] * SOCKETS and seen["retries"] == EVENTS
    log = on(HOST, f"cat {LOG}")
    assert "/socket answered with 500" not in log and "takes longer" not in log


@pytest.mark.parametrize("deed", ["reload", "restart"])
def test_streams_are_told_when_their_emperor_begins_anew(live, deed):
    clients, pid, are_open = begin(HOST, "live.test", EVENTS, SOCKETS)
    on(HOST, f"systemctl {deed} uwsgi-emperor@live")
    until(lambda: are_open() == EVENTS + SOCKETS)
    on(HOST, f"sleep 3; kill -TERM {pid}")
    seen = json.loads(clients.communicate(timeout=60)[0])
    assert seen["codes"] == [1012] * SOCKETS and seen["retries"] == EVENTS and seen["wrong"] == []


def test_clients_that_have_gone_free_their_slots(live):
    clients, pid, _ = begin(HOST, "live.test", EVENTS, SOCKETS)
    on(HOST, f"kill -KILL {pid}; sleep {3 * HEARTBEAT}")  # two, and one to spare
    clients.wait()
    clients, pid, _ = begin(HOST, "live.test", EVENTS, SOCKETS)
    on(HOST, f"kill -TERM {pid}")
    assert 503 not in json.loads(clients.communicate(timeout=60)[0])["statuses"]


def test_an_app_that_gives_up_its_streams_has_fewer_tasks_once_the_old_release_has_ended(live):
    live.entry |= {"streams": 0, "limits": {"tasks": 100}}
    on(HOST, "systemctl stop uwsgi-emperor@live")
    live.deploy()  # beside some 200 threads, which its Emperor starts again first
    tasks = "systemctl show --property=TasksMax --value emperor-live.slice"
    assert int(on(HOST, tasks)) > 300
    until_alone("live")
    on(HOST, "systemctl start emperor-end-live-tasks.service")  # its timer's
    until(lambda: on(HOST, tasks) == "100\n")


def test_an_app_that_has_no_streams_is_told_so(live):
    live.entry["streams"] = 0
    live.deploy()
    on(HOST, f"{ASK} -m 1 localhost/events", check=False)
    until(
        lambda: "answered with an event stream, but this app has no streams; say streams: N" in on(HOST, f"cat {LOG}")
    )


@pytest.fixture
def wire(tmp_path):
    """An app with a silent stream, and little time to go."""
    app = App("wire", tmp_path / "wire", HOSTS, processes=1, threads=4, streams=30, harakiri=4, drain=6)
    app.deploy()
    yield app
    app.entry = {"name": "wire", "state": "absent"}
    app.deploy()


def test_a_stream_that_does_not_end_is_cut_after_the_drain_and_counted(wire):
    argv = ["docker", "exec", HOST, "sh", "-c", "curl -sN -H 'Host: wire.test' localhost/silence; echo ended"]
    silent = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [client.stdout.readline() for client in silent] == ["data: begins\n"] * 2
    again(wire)
    until_alone("wire")
    assert all(client.communicate(timeout=60)[0].endswith("ended\n") for client in silent)
    log = on(HOST, "cat /var/log/uwsgi/wire/wire_uwsgi.log")
    assert "6 s after its vassal was told to go (drain), 2 streams and 0 other requests have not ended" in log


SOCKET_IO = """
import socket, struct
line = socket.create_connection(("127.0.0.1", 80), timeout=30)
line.sendall(
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\\r\\nHost: talk.test\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\nSec-WebSocket-Version: 13\\r\\n\\r\\n"
)
heard = line.makefile("rb")
print(heard.readline().decode().strip())
while heard.readline() != b"\\r\\n":
    pass

def say(text):
    line.sendall(struct.pack("!BBI", 0x81, 0x80 | len(text), 0) + text)

def hear():
    kind, length = struct.unpack("!BB", heard.read(2))
    if length == 126:
        (length,) = struct.unpack("!H", heard.read(2))
    return heard.read(length).decode()

print(hear()[:2])  # Engine.IO's "open"
say(b"40")
print(hear()[:3])  # Socket.IO's "connect"
say(b'42["say","hello"]')
print(hear())
"""


def test_socket_io_talks_over_a_websocket(tmp_path):
    talk = App("talk", tmp_path / "talk", HOSTS, processes=1, streams=10)
    talk.deploy()
    said = subprocess.run(
        ["docker", "exec", HOST, "python3", "-c", SOCKET_IO], capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == ["HTTP/1.1 101 Switching Protocols", "0{", "40{", '42["said","hello"]']
    polled = "curl -s -H 'Host: talk.test' 'http://localhost/socket.io/?EIO=4&transport=polling'"
    assert on(HOST, polled).startswith("0{")
    talk.entry = {"name": "talk", "state": "absent"}
    talk.deploy()
