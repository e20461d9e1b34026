"""What one client can take of a real nginx: uploads that it never finishes, and requests at a time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import nginx_options
from nginx_config import EVERYTHING, configuration, nginx_here, put_here, site

HOST = {"distribution": "Debian", "version": "12", "codename": "bookworm", "ipv6": False, "nginx_group": "www-data"}
CONTINUE, REFUSED, NO_APP = (
    "100",
    "429",
    "502",
)  # what nginx says to a body it will read, to one client too many, and without an app
ONE, OTHER = "198.51.100.1", "198.51.100.2"


class Nginx:
    """A running nginx that believes X-Forwarded-For. It answers once it is asked for a body: all before that has been counted."""

    def __init__(self, port: int, open_connections: contextlib.ExitStack) -> None:
        self.port, self._open = port, open_connections

    def says(self, client: str, *headers: str, method: str = "POST", host: str = "front.test") -> str:
        """Begin a request of a client, and leave it at that; return the status that comes first."""
        connection = self._open.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=10))
        lines = [f"{method} / HTTP/1.1", f"Host: {host}", f"X-Forwarded-For: {client}", *headers, "", ""]
        connection.sendall("\r\n".join(lines).encode())
        return connection.makefile("rb").readline().split()[1].decode()

    def uploads(self, client: str, *headers: str, times: int = 1, **more: str) -> list[str]:
        """What a client is told that begins uploads, one after the other."""
        return [self.says(client, "Expect: 100-continue", *headers, **more) for _ in range(times)]

    def asks(self, client: str) -> str:
        """What a client is told that asks for a page."""
        return self.says(client, method="GET")


@pytest.fixture
def nginx(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Nginx]:
    """The roles' whole configuration with an app, with this test's variables; no app answers."""
    program = nginx_here()
    if program is None:
        pytest.skip("no nginx on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    files = configuration(HOST, nginx_trusted_proxies=["127.0.0.1"], **getattr(request, "param", {}))
    limited = {**EVERYTHING, "rate_limit": {"requests": 0, "burst": 0}}
    files["/etc/nginx/conf.d/limited.conf"] = site(HOST, name="limited", server_names=["limited.test"], **limited)
    own = f"http {{\n    client_body_temp_path {tmp_path}/body;\n    uwsgi_temp_path {tmp_path}/uwsgi;\n"
    for path, text in files.items():
        text = text.replace("listen 80", f"listen 127.0.0.1:{port}")
        text = text.replace("/usr/local/share/emperor-flask", str(tmp_path))
        files[path] = text.replace("user www-data;", "user root;" if os.geteuid() == 0 else "")
    files["/etc/nginx/nginx.conf"] = files["/etc/nginx/nginx.conf"].replace("http {\n", own, 1)
    files["emperor_pages/502.html"] = "no app"
    command = put_here(program, files, tmp_path)
    subprocess.run(command, check=True, capture_output=True)  # it returns once it listens
    try:
        with contextlib.ExitStack() as open_connections:
            yield Nginx(port, open_connections)
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, capture_output=True)


@pytest.mark.parametrize("body", ["Content-Length: 75000000", "Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_uploads_that_a_client_does_not_finish_are_few_and_nobody_else_waits(nginx, body):
    assert nginx.uploads(ONE, body, times=9) == [CONTINUE] * 6 + [REFUSED] * 3
    assert nginx.uploads(OTHER, body) == [CONTINUE]
    assert nginx.asks(ONE) == NO_APP
    assert nginx.uploads(ONE, "Content-Length: 999999", times=9) == [CONTINUE] * 9


def test_an_apps_own_limit_stands_beside_that_of_all_apps(nginx):
    """The app has five places for a client, of which two are taken by small bodies: three more uploads, and four in another app."""
    assert nginx.uploads(ONE, "Content-Length: 1000000", times=4) == [CONTINUE] * 4
    assert nginx.uploads(ONE, "Content-Length: 1000000", times=3, host="limited.test") == [CONTINUE] * 2 + [REFUSED]
    assert nginx.uploads(ONE, "Content-Length: 1000", times=4, host="limited.test") == [CONTINUE] * 3 + [REFUSED]


def test_an_ipv6_client_is_a_network(nginx):
    body = "Content-Length: 75000000"
    first, last, next_one = "2001:db8::a:a:a:1", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1"
    assert nginx.uploads(first, body, times=6) == [CONTINUE] * 6
    assert [*nginx.uploads(last, body), *nginx.uploads(next_one, body)] == [REFUSED, CONTINUE]


@pytest.mark.parametrize("nginx", [{"nginx_client_connections": 3, "nginx_client_uploads": 0}], indirect=True)
def test_requests_of_a_client_at_a_time(nginx):
    assert nginx.uploads(ONE, "Content-Length: 1", times=4) == [CONTINUE] * 3 + [REFUSED]
    assert [nginx.asks(ONE), nginx.asks(OTHER)] == [REFUSED, NO_APP]


@pytest.mark.parametrize("nginx", [{"nginx_client_connections": 0, "nginx_client_uploads": 0}], indirect=True)
def test_zero_is_no_limit(nginx):
    assert nginx.uploads(ONE, "Content-Length: 75000000", times=20) == [CONTINUE] * 20


@pytest.mark.parametrize("name", ["nginx_client_connections", "nginx_client_uploads"])
def test_a_limit_is_a_whole_number_from_zero(name):
    assert (
        list(nginx_options.ceilings({}))
        == list(nginx_options.ceilings({name: 0}))
        == list(nginx_options.ceilings({name: 20}))
        == []
    )
    (sentence,) = nginx_options.ceilings({name: -1})
    assert sentence == f"{name} is -1; write a whole number from 0, for no limit, to 100000"
