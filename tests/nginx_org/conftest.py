"""What the tests of nginx's origin share: runs with other variables, and requests that go on meanwhile."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
KEYS = EPHEMERAL / "keys"
HOSTS = ("emperor-org-debian-12", "emperor-org-debian-13", "emperor-org-debian-testing")
REQUESTS = (Path(__file__).parent / "steady_requests.py").read_text()


def play(*options, playbook="playbooks/site.yml", **variables):
    """Run the site (or what the options leave of it) with other variables; return status, output, and changes by host."""
    argv = ["ansible-playbook", "-i", str(EPHEMERAL / "inventory"), playbook, *options, "-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(EPHEMERAL / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    changes = dict(re.findall(r"^(\S+) +: .*changed=(\d+)", done.stdout, re.MULTILINE))
    return done.returncode, done.stdout + done.stderr, changes


def on(host, command):
    """What a command prints on a host."""
    argv = ["docker", "exec", "-i", host, "sh", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def on_each(command):
    """What a command prints, host by host."""
    return {host: on(host, command) for host in HOSTS}


def key(name):
    """A fingerprint of the repositories'."""
    return (KEYS / name).read_text().strip()


class Requests:
    """Requests to every host, one after the other, until they are counted."""

    def __enter__(self):
        self.running = [
            subprocess.Popen(
                ["docker", "exec", "-i", host, "python3", "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for host in HOSTS
        ]
        for process in self.running:
            process.stdin.write(REQUESTS)
            process.stdin.close()
        return self

    def __exit__(self, *_):
        for host in HOSTS:
            on(host, "touch /run/enough-requests")
        self.answers = dict(zip(HOSTS, (json.loads(process.stdout.read()) for process in self.running), strict=True))
        for process in self.running:
            process.wait()


@pytest.fixture
def requests():
    """Requests that go on while a test does something."""
    return Requests()
