"""What the host tests share: the way in through nginx, and waiting for a host to heal."""

import json
import shlex
import subprocess
import time

import pytest

HEALING = 30  # seconds a host may take to serve again; bounds a failing test, measures nothing


class Door:
    """A host's front door: HTTP to its nginx."""

    def __init__(self, host):
        self.host = host

    def ask(self, path="/", name="demoapp.test", *options):
        """Return status and body of a request for the host called ``name``; status 0 when nginx closes the connection."""
        argv = ["curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", "--header", f"Host: {name}"]
        answer = self.host.run(shlex.join([*argv, *options, f"http://127.0.0.1{path}"]))
        body, _, status = answer.stdout.rpartition("\n")
        return int(status), body

    def wait_for(self, expected, path="/", name="demoapp.test"):
        """Return once the answer is ``expected``; fail with the last one, and what systemd says, when it never is."""
        deadline = time.monotonic() + HEALING
        while (answer := self.ask(path, name)) != expected:
            if time.monotonic() > deadline:
                units = self.host.run("systemctl --no-pager --lines 15 status nginx 'uwsgi-emperor@*'").stdout
                pytest.fail(f"{name}{path} answers {answer}, not {expected}\n{units}")
            time.sleep(0.2)

    def attempt(self, deed, path):
        """What an intruder inside the app ``notes`` gets: "ok" or an error's name."""
        return self.ask(f"/attempt/{deed}?path={path}", "notes.example.com")[1]

    def identity(self):
        """Who the app ``notes`` is to the kernel."""
        return json.loads(self.ask("/identity", "notes.example.com")[1])


@pytest.fixture
def door(host):
    """The front door of the host under test."""
    return Door(host)


@pytest.fixture
def container(host):
    """Name of the container that is the host under test."""
    return host.backend.get_hostname()


@pytest.fixture
def main_pid(host):
    """Process id of an app's Emperor."""

    def main_pid(app):
        return int(host.check_output(f"systemctl show --property MainPID --value uwsgi-emperor@{app}"))

    return main_pid


def eventually(condition):
    """Return once the condition holds; fail when it does not within the time a host may take to heal."""
    deadline = time.monotonic() + HEALING
    while not condition():
        assert time.monotonic() < deadline, f"not within {HEALING} seconds"
        time.sleep(0.2)


def docker(*arguments):
    """Run a docker command on the machine the hosts live on."""
    subprocess.run(["docker", *arguments], check=True, capture_output=True)
