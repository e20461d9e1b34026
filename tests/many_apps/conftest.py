"""What these tests share: an app with workers and timers, and what Redis knows of its jobs."""

import copy
import subprocess

import pytest
from plays import HOSTS, App, live, on, until

HOST = HOSTS[0]
CELERY = {
    "name": "celery",
    "command": "celery --app jobs:celery worker --concurrency 10 --loglevel WARNING --hostname $EMPEROR_WORKER@%h",
    "processes": 2,
    "stop_timeout": 30,
    "check": 1,
}
BEAT = {"name": "beat", "command": "celery --app jobs:celery beat", "overlap": False, "check": 1}
# Workers that begin and end at once, where a test does not look at jobs. Their processes stay the same.
HANDS = {
    "name": "hands",
    "command": "sh -c 'echo nothing to do; exec sleep 86400'",
    "processes": 2,
    "stop_timeout": 5,
    "check": 1,
}
CLOCK = {"name": "clock", "command": "sleep 86400", "overlap": False, "check": 1}


class Jobs(App):
    """The app that can work by Celery."""

    def __init__(self, folder):
        super().__init__("jobs", folder, HOSTS, processes=1, threads=4, workers=[HANDS, CLOCK])
        self._first = self.entry
        self.begun = None  # the entry that a test began with, and what the host was like then

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


TIMER = {"name": "digest", "command": "flask digest", "schedule": "*-*-* 06:00"}


@pytest.fixture
def jobs(installed):
    """The app as every test begins with it, alone."""
    return begun(installed, installed.first)


@pytest.fixture
def timed(installed):
    """The same with a timer."""
    return begun(installed, {**installed.first, "timers": [TIMER]})


def begun(app, entry):
    """The app with an entry, released unless its host has it already."""
    app.entry, app.others = entry, []
    app.write(1)
    on(HOST, "rm -f /etc/nginx/conf.d/theirs.conf && systemctl start nginx")  # what a test that failed has left
    if app.begun != (entry, _state(app)):  # or nothing would be done
        app.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
        until(lambda: app.units("deactivating") == [])
        app.begun = copy.deepcopy(entry), _state(app)
    redis("flushall")
    return app


def _state(app):
    look = "ls /etc/uwsgi/vassals/* /var/www/jobs; cat /var/www/jobs/secrets/*; systemctl is-active uwsgi-emperor@jobs"
    return live(HOST, "jobs"), app.units(), on(HOST, look, check=False)


@pytest.fixture
def restart():
    """Restart the host, and return when it serves again."""

    def restart(host):
        subprocess.run(["docker", "restart", host], check=True, capture_output=True)
        until(lambda: on(host, "curl -s -H 'Host: jobs.test' localhost", check=False).startswith("jobs "))

    return restart
