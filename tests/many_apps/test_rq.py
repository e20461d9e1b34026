"""RQ, whose workers fork for each job: none is lost or done twice by releases."""

from collections import Counter

import pytest
from conftest import HOST, redis
from plays import HOSTS, App, on, until

JOBS = 60
ENQUEUE = f"""
import redis, rq
queue = rq.Queue("mails", connection=redis.Redis(db=1))
for number in range({JOBS}):
    queue.enqueue("mails.send", number, 0.5 + number % 3)
"""


@pytest.fixture
def mails(tmp_path):
    """The app, with four workers; gone afterwards."""
    worker = {
        "name": "rq",
        "command": "rq worker --url redis://localhost:6379/1 --name $EMPEROR_WORKER mails",
        "processes": 4,
        "check": 1,
    }
    app = App("mails", tmp_path / "mails", HOSTS, processes=1, threads=2, workers=[worker])
    app.deploy()
    yield app
    app.entry = {"name": "mails", "state": "absent", "keep_shared": False}
    app.deploy()


def noted(name):
    """What the jobs have noted: a number and the release that did it."""
    return [line.split() for line in redis(f"-n 1 lrange {name} 0 -1")]


def test_no_job_of_rq_is_lost_or_done_twice(mails):
    on(HOST, f"cat >/opt/mails.py <<'END'\n{ENQUEUE}END\nflask-app mails python /opt/mails.py")
    for version in (2, 3):
        (mails.folder / "VERSION").write_text(f"{version}\n")
        mails.deploy()
    until(lambda: len(noted("done")) >= JOBS)
    for name in ("begun", "done"):
        assert Counter(number for number, _version in noted(name)) == {str(number): 1 for number in range(JOBS)}
    assert len({version for _number, version in noted("done")}) > 1
