"""The health request over a UNIX socket. (The host tests and every release speak to a real uWSGI.)"""

import contextlib
import os
import socket
import struct
import threading
import time

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health, get, packet
from hypothesis import given
from hypothesis import strategies as st

HEALTH = Health("/up?full=1", ("200-204", "302"), 5, "shop.test")


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=8))
def test_a_packet_says_what_it_was_given(variables):
    encoded = packet(variables)
    modifier, size, other = struct.unpack_from("<BHB", encoded)
    assert (modifier, size, other) == (0, len(encoded) - 4, 0)
    texts, rest = [], encoded[4:]
    while rest:
        (length,) = struct.unpack_from("<H", rest)
        texts.append(rest[2 : 2 + length].decode())
        rest = rest[2 + length :]
    assert dict(zip(texts[::2], texts[1::2])) == variables


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (204, True), (205, False), (302, True), (500, False)])
def test_statuses_are_codes_and_ranges(status, healthy):
    assert HEALTH.accepts(status) is healthy


def serve(path, answer, pause=0.0):
    """Answer one connection with these bytes, each after ``pause`` seconds if there is one; the returned list gets the request."""
    listener, requests = socket.socket(socket.AF_UNIX), []
    listener.bind(path)
    listener.listen()

    def once():
        connection, _ = listener.accept()
        with connection:
            requests.append(connection.recv(65536))
            with contextlib.suppress(BrokenPipeError):  # who asked has gone
                for part in [bytes([byte]) for byte in answer] if pause else [answer]:
                    time.sleep(pause)
                    connection.sendall(part)
        listener.close()

    threading.Thread(target=once, daemon=True).start()
    return requests


def test_an_answer_is_status_and_first_line(tmp_path):
    path = str(tmp_path / "s")
    requests = serve(path, b"HTTP/1.1 503 SERVICE UNAVAILABLE\r\nX: y\r\n\r\nno database\nmore")
    assert get(path, HEALTH, 5) == (503, "no database")
    assert b"PATH_INFO\x03\x00/up" in requests[0]
    assert b"QUERY_STRING\x06\x00full=1" in requests[0]
    assert b"HTTP_HOST\x09\x00shop.test" in requests[0]


def test_an_app_is_asked_under_the_scheme_it_is_served_over(tmp_path):
    path = str(tmp_path / "s")
    requests = serve(path, b"HTTP/1.1 200 OK\r\n\r\n")
    get(path, Health("/", ("200",), 5, "shop.test", scheme="https"), 5)
    assert b"HTTPS\x02\x00on" in requests[0]
    assert b"SERVER_PORT\x03\x00443" in requests[0]
    assert requests[0].count(b"\x05\x00https") == 2


def test_what_is_no_http_is_said(tmp_path):
    path = str(tmp_path / "s")
    serve(path, b"nonsense")
    with pytest.raises(ValueError, match="not HTTP"):
        get(path, HEALTH, 5)


def test_nobody_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        get(str(tmp_path / "nobody"), HEALTH, 1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        with pytest.raises(ConnectionRefusedError):
            get(str(tmp_path / "deaf"), HEALTH, 1)


@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "file", "loop"])
def test_what_is_no_socket_is_not_connected_to_and_no_link_is_followed(tmp_path, kind):
    requests, path = serve(str(tmp_path / "neighbour"), b"HTTP/1.1 200 OK\r\n\r\n"), tmp_path / "s"
    {
        "link": lambda: path.symlink_to("neighbour"),
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "file": path.touch,
        "loop": lambda: path.symlink_to("s"),
    }[kind]()
    with pytest.raises(OSError, match=rf"{path} is not a socket"):
        get(str(path), HEALTH, 1)
    assert requests == []


def test_an_answer_that_drips_takes_no_longer_than_one_that_does_not_come(tmp_path):
    path = str(tmp_path / "s")
    serve(path, b"HTTP/1.1 200 OK\r\n\r\nhealthy in the end", pause=0.1)
    with pytest.raises(OSError, match="timed out"):
        get(path, HEALTH, 0.5)
