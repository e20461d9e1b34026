"""What tests share that type the playbooks as an operator does: an app with its entry in flask_apps, runs, and a load that counts every wrong answer."""

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

import yaml

CHECKOUT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
FIXTURES = CHECKOUT / "tests/fixtures"
FLEET = sorted(yaml.safe_load(Path(INVENTORY).read_text())["all"]["hosts"])
HOSTS = FLEET[:1]  # most tests need one host; those of a fleet say so
NAME = "shop.test"
REST = 0.5  # seconds of load before and after what is watched
PATIENCE = 180  # seconds until something that must end has ended; bounds a failing test, measures nothing


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


def every_file(host):
    """How every file of a host is, by its path, as every_file.py sees it."""
    script = Path(__file__).with_name("every_file.py").read_text()
    argv = ["docker", "exec", "--interactive", host, "python3", "-"]
    listed = subprocess.run(argv, input=script, capture_output=True, text=True, check=True).stdout
    return dict(map(json.loads, listed.splitlines()))


def touched(before, after):
    """What differs between two such listings, by path."""
    paths = sorted({*before, *after})
    return {path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)}


def until(condition):
    """Return once the condition holds; fail when it does not within PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE} seconds"
        time.sleep(0.5)  # most conditions start a process on a host


class App:
    """An app that is made of a fixture, and its entry in flask_apps."""

    def __init__(self, name, folder, hosts, fixture=None, **entry):
        """``fixture`` is the folder that it is made of, tests/fixtures/<name> otherwise."""
        self.folder, self.hosts = folder, hosts
        self.others = []  # entries of apps that are released beside it
        self.tree = CHECKOUT  # whose playbooks are run
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(fixture or FIXTURES / name, folder)
        self.entry = {
            "name": name,
            "module": f"{name}:app",
            "source": {"path": str(folder)},
            "server_names": [f"{name}.test"],
            **entry,
        }

    @property
    def name(self):
        """What it is called."""
        return self.entry["name"]

    def command(self, playbook, flags, variables):
        """The command line of a playbook with this app, and ``variables`` for -e."""
        path = self.folder.parent / "variables.json"
        path.write_text(json.dumps({"flask_apps": [self.entry, *self.others], "nginx_origin": "distribution"}))
        extra = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
        playbook = self.tree / f"playbooks/{playbook}.yml"
        limit = ["--limit", ",".join(self.hosts)]
        return ["ansible-playbook", "-i", INVENTORY, *limit, str(playbook), "-e", f"@{path}", *flags, *extra]

    def start(self, playbook, *flags, **variables):
        """Start a playbook."""
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        if self.tree != CHECKOUT:
            paths = (str(self.tree.parents[2]), environment["ANSIBLE_COLLECTIONS_PATH"])
            environment["ANSIBLE_COLLECTIONS_PATH"] = ":".join(paths)
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
        run = self.play("rollback", app=self.name, **variables)
        assert run.status == 0, run.output
        return run

    def refused(self, *words, playbook="deploy", **variables):
        """Run a playbook; it must be red, with these words among the last lines."""
        run = self.play(playbook, **variables)
        assert run.status != 0, run.output
        assert [word for word in words if word not in run.output] == [], run.output
        return run


def live(host, name="shop"):
    """The live release of an app."""
    return on(host, f"readlink /var/www/{name}/current", check=False).strip().removeprefix("releases/")


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
    p99: float


@contextlib.contextmanager
def load(hosts=HOSTS, rate=200, *words):
    """Load of ``rate`` requests a second on these hosts while the block runs; yields a list that holds what was counted afterwards, host by host.

    ``words`` are further ones of load.py's.
    """
    clients = []
    for host in hosts:
        script = (CHECKOUT / "tests/releases/load.py").read_text()
        argv = ["docker", "exec", host, "timeout", "600", "python3", "-c", script, NAME, str(rate), *words]
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
def nothing_lost(hosts=HOSTS, rate=200, *words):
    """Under load, every answer must be the right one."""
    with load(hosts, rate, *words) as counted:
        yield counted
    for seen in counted:
        assert seen.requests > 0 and seen.slow > 0
        assert seen.failed == [], seen


def kill(process, alone=False):
    """Kill a playbook and all it started on the controller, as a power failure would, or (``alone``) its process only, as kill(1) would.

    What runs on the hosts runs on.
    """
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    doomed = [process.pid]
    for pid in [] if alone else doomed:
        doomed += [child for child, parent in parents if parent == pid]
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def kill_step(host, name):
    """Kill the step of a release that runs on a host: the module's process, which the app's lock names."""
    lock = f"/var/lib/emperor-flask/locks/{name}"
    on(host, f"kill -KILL $(grep -o '\"step\": [0-9]*' {lock} | cut -d ' ' -f 2)")
