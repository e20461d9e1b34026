"""community.docker.docker, noting each round trip as a line of the file that ROUND_TRIPS names: its kind, and how many bytes it sends.

A round trip is one execution by the connection: a command, or a file that is sent or fetched.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.community.docker.plugins.connection import docker

DOCUMENTATION = docker.DOCUMENTATION  # its options are this one's


def _note(kind: str, sent: int = 0) -> None:
    """Append a line; short appends are atomic, so the processes of several hosts need no lock."""
    with open(os.environ["ROUND_TRIPS"], "a", encoding="ascii") as log:
        log.write(f"{kind} {sent}\n")


class Connection(docker.Connection):
    """The same connection, counted."""

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = False) -> Any:
        """Note a command, with what it is given to read."""
        _note("command", len(cmd) + len(in_data or b""))
        return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path: str, out_path: str) -> Any:
        """Note a file that is sent."""
        _note("send", os.path.getsize(in_path))
        return super().put_file(in_path, out_path)

    def fetch_file(self, *arguments: Any, **options: Any) -> Any:
        """Note a file that is fetched."""
        _note("fetch")
        return super().fetch_file(*arguments, **options)
