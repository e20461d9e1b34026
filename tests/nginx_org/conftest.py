"""What the tests of nginx's origin share: runs with other variables, and requests that go on meanwhile."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
KEYS = EPHEMERAL / "keys"
HOSTS = ("emperor-org-debian-12", "emperor-org-debian-testing")
ROLE, SITE = ROOT / "examples/nginx_alone.yml", ROOT / "playbooks/site.yml"


def play(playbook, *options, **variables):
    """Run a playbook with other variables; return its status, its output in one line, and how much changed on each host."""
    argv = [
        "ansible-playbook",
        "-i",
        str(EPHEMERAL / "inventory"),
        str(playbook),
        "-e",
        json.dumps(variables),
        *options,
    ]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(EPHEMERAL / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_GATHERING": "explicit",
    }
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    output = done.stdout + done.stderr
    recap = dict(re.findall(r"^(\S+) +: ok=.*changed=(\d+)", output, re.MULTILINE))
    changes = {host: int(count) for host, count in recap.items() if host in HOSTS}  # localhost looks for the group
    assert changes, output
    return done.returncode, " ".join(output.split()), changes


def on(host, command):
    """What a command prints on a host."""
    argv = ["docker", "exec", "-i", host, "sh", "-c", command]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def on_each(command):
    """What a command prints, host by host."""
    return {host: on(host, command) for host in HOSTS}


def everywhere(value):
    """The same on each host."""
    return dict.fromkeys(HOSTS, value)


def key(name):
    """A fingerprint of the repositories'."""
    return (KEYS / name).read_text().strip()


class Requests:
    """Requests to every host, one after the other, until they are counted; every answer must be 200."""

    def __enter__(self):
        script = (FOLDER / "steady_requests.py").read_text()
        self.running = {}
        for host in HOSTS:
            argv = ["docker", "exec", "-i", host, "python3", "-"]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            process.stdin.write(script)
            process.stdin.close()
            self.running[host] = process

    def __exit__(self, *_):
        on_each("touch /run/enough-requests")
        answers = {host: json.loads(process.stdout.read()) for host, process in self.running.items()}
        for process in self.running.values():
            process.wait()
        print(answers)
        assert {host: set(counted) for host, counted in answers.items()} == everywhere({"200"}), answers


@pytest.fixture
def requests():
    """Requests that go on while a test does something."""
    return Requests()
