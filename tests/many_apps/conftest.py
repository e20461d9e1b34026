"""What these tests share: an app with workers and timers, and what Redis knows of its jobs."""

import copy
import subprocess

import pytest
from plays import HOSTS, App, on, until

HOST = HOSTS[0]
CELERY = {
    "name": "celery",
    "command": "celery --app jobs:celery worker --concurrency 10 --loglevel WARNING --hostname $EMPEROR_WORKER@%h",
    "processes": 2,
    "stop_timeout": 30,
    "check": 1,
}
BEAT = {"name": "beat", "command": "celery --app jobs:celery beat", "overlap": False, "check": 1}


class Jobs(App):
    """The app that works by Celery."""

    def __init__(self, folder):
        super().__init__("jobs", folder, HOSTS, processes=1, threads=4, workers=[CELERY, BEAT])
        self._first = self.entry

    @property
    def first(self):
        """The entry that it begins with, which a test may change."""
        return copy.deepcopy(self._first)

    def write(self, version):
        """Change the code: another version."""
        (self.folder / "VERSION").write_text(f"{version}\n")

    def units(self, state="active"):
        """The names of its units that are in a state, workers and timers, without the release's."""
        listed = on(
            HOST, f"systemctl list-units --plain --no-legend --state={state} 'emperor-worker-*' 'emperor-timer-*'"
        )
        return sorted(line.split()[0] for line in listed.splitlines())


def redis(*words):
    """What Redis answers."""
    return on(HOST, "redis-cli " + " ".join(words)).splitlines()


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The app; gone in the end, with all that it has left."""
    app = Jobs(tmp_path_factory.mktemp("apps") / "jobs")
    yield app
    app.entry = {"name": "jobs", "state": "absent", "keep_shared": False}
    app.deploy()
    assert on(HOST, "ls /etc/systemd/system | grep -e emperor-worker -e emperor-timer", check=False) == ""
    assert on(HOST, "ls /etc/systemd/system/uwsgi-emperor.target.wants | grep -e worker -e timer", check=False) == ""
    assert on(HOST, "pgrep -f '[c]elery'", check=False) == ""


@pytest.fixture
def jobs(installed):
    """The app as every test begins with it, alone."""
    installed.entry, installed.others = installed.first, []
    installed.write(1)
    on(HOST, "rm -f /etc/nginx/conf.d/theirs.conf && systemctl start nginx")  # what a test that failed has left
    installed.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    until(lambda: installed.units("deactivating") == [])
    redis("flushall")
    return installed


@pytest.fixture
def restart():
    """Restart the host, and return when it serves again."""

    def restart(host):
        subprocess.run(["docker", "restart", host], check=True, capture_output=True)
        until(lambda: on(host, "curl -s -H 'Host: jobs.test' localhost", check=False).startswith("jobs "))

    return restart
