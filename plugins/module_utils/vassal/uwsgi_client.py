# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ask an app over its own UNIX socket, in the uwsgi protocol, with the parameters nginx would send.

The protocol: https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html. The answer is plain HTTP.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..host import unix_sockets

MAX_ANSWER = 64 * 1024  # bytes that are read of an answer


@dataclass(frozen=True)
class Health:
    """The request an app must answer, the statuses that mean healthy, and the seconds it may take; ``app`` is its name.

    It is asked for ``host`` under ``scheme``, as nginx would ask: an app may send whoever comes otherwise elsewhere.
    """

    path: str
    status: tuple[str, ...]
    timeout: int
    host: str = "localhost"
    app: str = ""
    scheme: str = "http"

    @classmethod
    def of(cls, app: str, stated: dict[str, Any]) -> Health:
        """The request that a release's manifest states."""
        return cls(stated["path"], tuple(stated["status"]), stated["timeout"], stated["host"], app, stated["scheme"])

    def accepts(self, status: int) -> bool:
        """Tell whether a status code is one of the healthy ones or in one of the ranges."""
        for allowed in self.status:
            low, _unused, high = allowed.partition("-")
            if int(low) <= status <= int(high or low):
                return True
        return False


def packet(variables: dict[str, str]) -> bytes:
    """Encode a request without body: a header of four bytes, then each name and value with its length."""
    body = b""
    for pair in variables.items():
        for part in pair:
            encoded = part.encode()
            body += struct.pack("<H", len(encoded)) + encoded
    return struct.pack("<BHB", 0, len(body), 0) + body


def get(path: str, health: Health, timeout: float) -> tuple[int, str]:
    """Return status and first line of the body of one GET over the socket at ``path``.

    The folder is the app's: a link there is not followed. Raises OSError when there is no socket, nobody listens or ``timeout``
    seconds pass, ValueError when the answer is not HTTP.
    """
    target, _unused, query = health.path.partition("?")
    request = packet(
        {
            "REQUEST_METHOD": "GET",
            "REQUEST_URI": health.path,
            "PATH_INFO": unquote(target),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": health.host,
            "SERVER_PORT": "443" if health.scheme == "https" else "80",
            "HTTP_HOST": health.host,
            "EMPEROR_APP": health.app,
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_SCHEME": health.scheme,
            **({"HTTPS": "on"} if health.scheme == "https" else {}),
            "CONTENT_TYPE": "",
            "CONTENT_LENGTH": "",
            "HTTP_X_FORWARDED_PROTO": health.scheme,
            "HTTP_USER_AGENT": "emperor.flask",
        }
    )
    deadline = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        with unix_sockets.opened(path) as there:
            connection.connect(f"/proc/self/fd/{there}")
        connection.sendall(request)
        answer = b""
        while len(answer) < MAX_ANSWER:
            # An answer that drips must not take longer than one that does not come.
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = connection.recv(8192)
            if not chunk:
                break
            answer += chunk
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    if not found:
        raise ValueError(f"the answer is not HTTP: {answer[:80]!r}")
    body = answer.partition(b"\r\n\r\n")[2].decode(errors="replace")
    return int(found.group(1)), body.strip().partition("\n")[0][:200]
