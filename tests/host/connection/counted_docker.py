"""community.docker.docker, noting each round trip as a line of the file that ROUND_TRIPS names.

A round trip is one execution by the connection: a command, or a file that is sent or fetched.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.community.docker.plugins.connection import docker

DOCUMENTATION = docker.DOCUMENTATION  # its options are this one's


def _note(kind: str) -> None:
    """Append a line; short appends are atomic, so the processes of several hosts need no lock."""
    with open(os.environ["ROUND_TRIPS"], "a", encoding="ascii") as log:
        log.write(f"{kind}\n")


class Connection(docker.Connection):
    """The same connection, counted."""

    def exec_command(self, *arguments: Any, **options: Any) -> Any:
        """Note a command."""
        _note("command")
        return super().exec_command(*arguments, **options)

    def put_file(self, *arguments: Any, **options: Any) -> Any:
        """Note a file that is sent."""
        _note("send")
        return super().put_file(*arguments, **options)

    def fetch_file(self, *arguments: Any, **options: Any) -> Any:
        """Note a file that is fetched."""
        _note("fetch")
        return super().fetch_file(*arguments, **options)
