"""What the tests of the front door share: requests as curl makes them on a host, playbooks as an operator types them, a steady load."""

import contextlib
import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
VARIABLES = yaml.safe_load((Path(INVENTORY).parent / "group_vars/flask_servers").read_text())
HOSTS = ("emperor-door-1", "emperor-door-2")
AUTHORITY = "emperor-door-authority"
PROXY = ("--interface", "127.0.0.2")  # the address in nginx_trusted_proxies
REST = 0.5  # seconds of load before and after what is watched
PATIENCE = 60  # seconds until something that must end has ended; bounds a failing test, measures nothing

each_host = pytest.mark.parametrize("host", HOSTS)


def on(host, command, check=True):
    """What a command prints on a host."""
    done = subprocess.run(["docker", "exec", host, "sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{host}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def address(host):
    """A host's address on the scenario's network."""
    return on(host, "hostname -I").split()[0]


@dataclass
class Answer:
    """What came back; status 0 where nothing did. Headers by their small names."""

    status: int
    headers: dict
    body: str
    http: str
    curl: int

    def json(self):
        """The body of an app that answers in JSON."""
        return json.loads(self.body)


def ask(host, url, *options, verify=False):
    """Ask a host, from itself, for a URL: whatever its name, it leads there. Certificates count only with ``verify``."""
    name = re.match(r"https?://([^/:]+)", url).group(1)
    where = [part for port in (80, 443) for part in ("--resolve", f"{name}:{port}:127.0.0.1")]
    argv = ["curl", "--silent", "--max-time", "60", "--globoff", "--path-as-is", "--dump-header", "/dev/stderr", *where]
    argv += [
        *([] if verify else ["--insecure"]),
        "--write-out",
        "\n%{http_code} %{http_version} %{exitcode}",
        *options,
        url,
    ]
    command = ["docker", "exec", host, "sh", "-c", shlex.join(argv)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    body, _, summary = done.stdout.rpartition("\n")
    status, http, code = summary.split()
    last = done.stderr.replace("\r", "").strip().split("\n\n")[-1]
    headers = dict(re.findall(r"^([\w-]+): *(.*)$", last, re.MULTILINE))
    return Answer(int(status), {name.lower(): value for name, value in headers.items()}, body, http, int(code))


def several(host, url, count, *options):
    """The statuses of requests that a host gets at once, from one address."""
    argv = [
        "curl",
        "--silent",
        "--insecure",
        "--parallel",
        "--parallel-immediate",
        "--parallel-max",
        str(count),
        *options,
    ]
    for _ in range(count):
        argv += ["--output", "/dev/null", url]
    return [
        int(status) for status in on(host, shlex.join([*argv, "--write-out", "%{http_code}\n"]), check=False).split()
    ]


@dataclass
class Run:
    """What ansible-playbook did."""

    status: int
    output: str

    @property
    def said(self):
        """Its output without Ansible's line breaks."""
        return " ".join(self.output.split())

    @property
    def changed(self):
        """Changed tasks, by host."""
        return dict(re.findall(r"^(\S+) +: ok=.*changed=(\d+)", self.output, re.MULTILINE))


def apps(**changes):
    """flask_apps of the scenario; ``changes`` by app, laid over its keys."""
    entries = [dict(entry) for entry in VARIABLES["flask_apps"]]
    for entry in entries:
        entry.update(changes.get(entry["name"], {}))
    return entries


def play(playbook, *flags, hosts=HOSTS, **variables):
    """Run a playbook with other variables on some of the hosts."""
    path = FOLDER / "variables.json"
    path.write_text(json.dumps(variables))
    argv = [
        "ansible-playbook",
        "-i",
        INVENTORY,
        "--limit",
        ",".join(hosts),
        str(CHECKOUT / f"playbooks/{playbook}.yml"),
    ]
    # Molecule forces colours, which goes before ANSIBLE_NOCOLOR.
    environment = {**os.environ, "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "false"}
    done = subprocess.run(
        [*argv, "-e", f"@{path}", *flags], env=environment, capture_output=True, text=True, check=False
    )
    return Run(done.returncode, done.stdout + done.stderr)


def deploy(**options):
    """Run the playbook deploy; it must be green."""
    run = play("deploy", **options)
    assert run.status == 0, run.output
    return run


def refused(*words, playbook="deploy", **options):
    """Run a playbook; it must be red, with these words in what it says."""
    run = play(playbook, **options)
    assert run.status != 0, run.output
    assert [word for word in words if word not in run.said] == [], run.output
    return run


def serial(host, name):
    """Issuer and serial number of the certificate that a name is served with."""
    asked = f"openssl s_client -connect 127.0.0.1:443 -servername {name} </dev/null 2>/dev/null"
    return on(host, f"{asked} | openssl x509 -noout -issuer -serial").strip()


def replaced(host, name, before):
    """The certificate that a name is served with once it is another one than before: a reload of nginx returns before its new workers listen."""
    deadline = time.monotonic() + PATIENCE
    while (now := serial(host, name)) == before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert now != before, f"{name} is still served with {before}"
    return now


@contextlib.contextmanager
def nothing_lost(hosts=HOSTS):
    """While the block runs, every answer of the app shop over TLS must be the right one. Yields what was counted, by host, afterwards."""
    script, clients = (CHECKOUT / "tests/releases/load.py").read_text(), {}
    for host in hosts:
        argv = ["docker", "exec", host, "timeout", "600", "python3", "-c", script, f"shop.{host}.test", "https"]
        clients[host] = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    pids = {host: int(client.stdout.readline()) for host, client in clients.items()}
    counted = {}
    time.sleep(REST)
    try:
        yield counted
        time.sleep(REST)
    finally:
        for host, pid in pids.items():
            on(host, f"kill -TERM {pid}")
        for host, client in clients.items():
            counted[host] = json.loads(client.communicate(timeout=PATIENCE)[0])
    for host, seen in counted.items():
        print(f"\n{host}: {seen['requests']} requests and {seen['slow']} of 3 s, {len(seen['failed'])} failed")
        assert seen["requests"] > 0 and seen["slow"] > 0
        assert seen["failed"] == [], (host, seen)


@pytest.fixture(scope="session")
def authority():
    """A file on each host, and in FOLDER, with the root that the authority signs with."""
    root = on(AUTHORITY, "curl --silent --insecure https://localhost:15000/roots/0")
    path = "/root/authority.crt"
    (FOLDER / "authority.crt").write_text(root)
    for host in (*HOSTS, AUTHORITY):
        subprocess.run(
            ["docker", "exec", "-i", host, "sh", "-c", f"cat >{path}"],
            input=root,
            text=True,
            check=True,
            capture_output=True,
        )
    return path
