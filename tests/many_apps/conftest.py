"""What these tests share: an app with workers and timers, and what Redis knows of its jobs."""

import pytest
from plays import HOSTS, App, on

HOST = HOSTS[0]
CELERY = {
    "name": "celery",
    "command": "celery --app jobs:celery worker --concurrency 10 --loglevel WARNING --hostname $EMPEROR_WORKER@%h",
    "processes": 2,
    "stop_timeout": 30,
    "check": 2,
}
BEAT = {"name": "beat", "command": "celery --app jobs:celery beat", "overlap": False, "check": 1}


class Jobs(App):
    """The app that works by Celery."""

    def __init__(self, folder):
        super().__init__("jobs", folder, HOSTS, processes=1, threads=4, workers=[CELERY, BEAT])

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


@pytest.fixture
def jobs(tmp_path):
    """The app, released; gone afterwards, with all that it has left."""
    redis("flushall")
    app = Jobs(tmp_path / "jobs")
    app.deploy()
    yield app
    app.entry = {"name": "jobs", "state": "absent"}
    app.deploy()
    assert on(HOST, "ls /etc/systemd/system | grep -e emperor-worker -e emperor-timer", check=False) == ""
    assert on(HOST, "ls /etc/systemd/system/uwsgi-emperor.target.wants | grep -e worker -e timer", check=False) == ""
    assert on(HOST, "pgrep -f '[c]elery'", check=False) == ""
