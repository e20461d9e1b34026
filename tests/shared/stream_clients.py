"""Clients on a host that keep event streams and websockets open."""

import subprocess
from pathlib import Path

from plays import on, until


def begin(host, name, events, sockets):
    """Open streams of an app at a host's nginx: their process, its id on the host, and a function that tells how many are open; returns once all are."""
    script = Path(__file__).with_name("streams.py").read_text()
    argv = ["docker", "exec", host, "timeout", "300", "python3", "-c", script, name, str(events), str(sockets)]
    clients = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    pid = int(clients.stdout.readline())

    def are_open():
        on(host, f"kill -USR1 {pid}")
        return int(clients.stdout.readline())

    until(lambda: are_open() == events + sockets)
    return clients, pid, are_open
