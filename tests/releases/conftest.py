"""What the release tests share: the app, the playbooks as an operator types them, and a load that counts every wrong answer."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "releases"
FIXTURE = CHECKOUT / "tests/fixtures/shop"
NAME = "shop.test"
FLEET = sorted(yaml.safe_load(Path(INVENTORY).read_text())["all"]["hosts"])
HOSTS = FLEET[:1]  # most tests need one host; those of a fleet say so
REST = 0.5  # seconds of load before and after what is watched
PATIENCE = 60  # seconds until something that must end has ended; bounds a failing test, measures nothing


@dataclass
class Run:
    """What ansible-playbook did."""

    status: int
    output: str

    @property
    def changed(self):
        """Changed tasks, by host."""
        return [int(number) for number in re.findall(r"changed=(\d+)", self.output)]

    @property
    def report(self):
        """The lines a release ends with: app, host, old release, new release."""
        return re.findall(r"(\S+) on (\S+): (\S+) -> (\S+) in [\d.]+ s, http://", self.output)


def on(host, command, check=True):
    """What a command prints on a host."""
    done = subprocess.run(["docker", "exec", host, "sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{host}: {command}\n{done.stdout}{done.stderr}"
    return done.stdout


class Shop:
    """The app and its entry in flask_apps."""

    def __init__(self, folder, hosts):
        self.folder, self.hosts = folder, hosts
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(FIXTURE, folder)
        self.entry = {
            "name": "shop",
            "module": "shop:app",
            "source": {"path": str(folder)},
            "server_names": [NAME],
            "threads": 16,
            "processes": 2,
            "health": {"path": "/health", "timeout": 15},
            "env": {},
            "secrets": {"SHOP_KEY": "first key"},
            "shared": ["instance"],
            "keep_releases": 4,
        }

    def write(self, version):
        """Change the code: another version."""
        (self.folder / "VERSION").write_text(f"{version}\n")

    def command(self, playbook, flags, variables):
        """The command line of a playbook with this app, and ``variables`` for -e."""
        path = self.folder.parent / "variables.json"
        path.write_text(json.dumps({"flask_apps": [self.entry], "nginx_origin": "distribution"}))
        extra = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
        playbook = CHECKOUT / f"playbooks/{playbook}.yml"
        limit = ["--limit", ",".join(self.hosts)]
        return ["ansible-playbook", "-i", INVENTORY, *limit, str(playbook), "-e", f"@{path}", *flags, *extra]

    def start(self, playbook, *flags, **variables):
        """Start a playbook."""
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
        return subprocess.Popen(
            self.command(playbook, flags, variables),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, playbook, *flags, **variables):
        """Run a playbook to its end."""
        process = self.start(playbook, *flags, **variables)
        output, _ = process.communicate()
        return Run(process.returncode, output)

    def deploy(self, *flags, **variables):
        """Run the playbook deploy; it must be green."""
        run = self.play("deploy", *flags, **variables)
        assert run.status == 0, run.output
        return run

    def rollback(self, **variables):
        """Run the playbook rollback; it must be green."""
        run = self.play("rollback", app="shop", **variables)
        assert run.status == 0, run.output
        return run

    def refused(self, *words, playbook="deploy", **variables):
        """Run a playbook; it must be red, with these words among the last lines."""
        run = self.play(playbook, **variables)
        assert run.status != 0, run.output
        assert [word for word in words if word not in run.output] == [], run.output
        return run


BASE = {}  # the release and the secrets that every test begins with, by host


@pytest.fixture
def shop(tmp_path):
    """The app, released on the first host; what a test changed of it does not reach the next."""
    return _released(Shop(tmp_path / "shop", HOSTS))


@pytest.fixture
def fleet(tmp_path):
    """The app, released on all hosts."""
    return _released(Shop(tmp_path / "shop", FLEET))


def _released(shop):
    # Same release, same secrets: nothing would be done, so it is not even asked.
    if any(BASE.get(host) != _state(host) for host in shop.hosts):
        shop.deploy()
        BASE.update({host: _state(host) for host in shop.hosts})
    return shop


def _state(host):
    return live(host), on(host, "cat /var/www/shop/secrets/*", check=False)


def live(host):
    """The live release."""
    return on(host, "readlink /var/www/shop/current", check=False).strip().removeprefix("releases/")


def left(host):
    """Everything of the app on a host: folders, links, vassals, locks, and processes by their names."""
    return on(
        host,
        "cd /var/www/shop && find . -maxdepth 2 ! -name '*.sock' ! -path './shared*' -printf '%p %l\\n' | sort;"
        "find run -name '*.sock' | sed 's/.*/socket/'; ls /etc/uwsgi/vassals/shop /etc/nginx/conf.d;"
        "cat /var/lib/emperor-flask/locks/shop; ps -C uwsgi -o user=,args= | grep -c 'shop@.*master'",
    )


def settled(host):
    """What is left once the old vassals have finished their requests."""
    deadline = time.monotonic() + PATIENCE
    while on(host, "find /var/www/shop/run -name '*.sock' | wc -l").strip() != "1":
        assert time.monotonic() < deadline, left(host)
        time.sleep(0.2)
    return left(host)


@dataclass
class Counted:
    """What the load saw on one host."""

    host: str
    requests: int
    slow: int
    closed_idle: int
    failed: list
    versions: dict
    longest_silence: float


@contextlib.contextmanager
def load(hosts=HOSTS):
    """Load on these hosts while the block runs; yields a list that holds what was counted, host by host, afterwards."""
    clients = []
    for host in hosts:
        script = (CHECKOUT / "tests/releases/load.py").read_text()
        argv = ["docker", "exec", host, "timeout", "600", "python3", "-c", script, NAME]
        clients.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
    pids = [int(client.stdout.readline()) for client in clients]
    counted = []
    time.sleep(REST)
    try:
        yield counted
        time.sleep(REST)
    finally:
        for host, pid in zip(hosts, pids):
            on(host, f"kill -TERM {pid}")
        outputs = [client.communicate(timeout=PATIENCE)[0] for client in clients]
    counted += [Counted(host, **json.loads(output)) for host, output in zip(hosts, outputs)]
    for seen in counted:
        print(
            f"\n{seen.host}: {seen.requests} requests and {seen.slow} of 3 s, {len(seen.failed)} failed, "
            f"{seen.closed_idle} idle connections closed, longest silence {seen.longest_silence} s"
        )


@contextlib.contextmanager
def nothing_lost(hosts=HOSTS):
    """Under load, every answer must be the right one."""
    with load(hosts) as counted:
        yield counted
    for seen in counted:
        assert seen.requests > 0 and seen.slow > 0
        assert seen.failed == [], seen


def kill(process):
    """Kill a playbook and all it started on the controller, as a power failure would; what runs on the hosts runs on."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    doomed = [process.pid]
    for pid in doomed:
        doomed += [child for child, parent in parents if parent == pid]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def restart():
    """Restart a host, and return when it serves again."""

    def restart(host):
        subprocess.run(["docker", "restart", host], check=True, capture_output=True)
        deadline = time.monotonic() + PATIENCE
        while not on(host, f"curl -s -H 'Host: {NAME}' localhost", check=False).startswith("shop "):
            assert time.monotonic() < deadline, f"{host} does not serve again"
            time.sleep(0.2)

    return restart
