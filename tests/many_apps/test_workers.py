"""Workers: no job is lost by releases, rollbacks and restarts, none is begun by two releases, and a worker that does not live lets nothing change."""

import threading
from collections import Counter

import pytest
from conftest import BEAT, CELERY, HOST, begun, redis
from plays import kill, kill_step, live, on, until

ENQUEUE = """
import time
from jobs import notes, work
number = 0
while not notes.exists("enough"):
    for _ in range(12 - notes.llen("celery")):
        work.delay(number, 0.5 + number % 4 / 2)
        number += 1
    time.sleep(0.05)
notes.set("sent", number)
"""
IN_FLIGHT = "redis.call('llen', 'begun') + redis.call('llen', 'again') - redis.call('llen', 'done')"  # in one moment


@pytest.fixture
def jobs(installed):
    """The app that works by Celery, as every test begins with it."""
    return begun(installed, {**installed.first, "workers": [CELERY, BEAT]})


class Stream:
    """A stream of jobs that take half a second to two, some always waiting, so that all the workers' processes are busy."""

    def __init__(self):
        self.sent = 0
        self._thread = threading.Thread(target=on, args=(HOST, "flask-app jobs python /opt/enqueue.py"))

    def __enter__(self):
        on(HOST, f"cat >/opt/enqueue.py <<'END'\n{ENQUEUE}END\n")
        self._thread.start()
        return self

    def __exit__(self, *_raised):
        redis("set enough 1")
        self._thread.join()
        self.sent = int(redis("get sent")[0])

    def until_busy(self):
        """Wait until twenty jobs are in flight."""
        until(lambda: int(redis("eval", f'"return {IN_FLIGHT}"', "0")[0]) >= 20)


def counted(name):
    """How often each job is noted under a name."""
    return Counter(line.split()[0] for line in redis(f"lrange {name} 0 -1"))


def releases(name="done"):
    """The versions that did jobs, in their order, each once in a row."""
    versions = [line.split()[1] for line in redis(f"lrange {name} 0 -1")]
    return [version for index, version in enumerate(versions) if index == 0 or versions[index - 1] != version]


def test_no_job_is_lost_or_done_twice_by_releases_and_a_rollback(jobs):
    """Celery itself hands a job out again that a worker took just when it was told to stop; the app notes it apart."""
    with Stream() as stream:
        for version in (2, 3):
            stream.until_busy()
            jobs.write(version)
            jobs.deploy()
        stream.until_busy()
        jobs.rollback()
        stream.until_busy()
    until(lambda: len(counted("done")) >= stream.sent)
    assert set(counted("done")) == {str(number) for number in range(stream.sent)}
    assert set(counted("begun").values()) == {1}
    assert {"1", "2", "3"} == set(releases())
    assert releases("begun")[-1] == "2"
    until(lambda: len(jobs.units()) == 3)
    release = live(HOST, "jobs")
    assert all(release in unit for unit in jobs.units())


def test_a_scheduler_never_runs_twice(jobs):
    jobs.write(2)
    jobs.deploy()
    until(lambda: int(redis("llen ticks")[0]) > 5)
    ticks = Counter(redis("lrange ticks 0 -1"))
    assert max(ticks.values()) <= 2, "two schedulers ask for each second twice; one may round two seconds to the same"
    assert on(HOST, "pgrep -fc '[c]elery.* beat'").strip() == "1"


def test_a_worker_that_does_not_live_lets_nothing_change(jobs):
    before = live(HOST, "jobs"), jobs.units()
    jobs.write(2)
    for broken in (
        {**CELERY, "command": "echo no such queue; exit 3"},
        {**BEAT, "command": "echo no such queue; exit 3"},
    ):
        others = [worker for worker in (CELERY, BEAT) if worker["name"] != broken["name"]]
        jobs.entry["workers"] = [*others, broken]
        jobs.refused(f"the worker '{broken['name']}' (echo", "no such queue", "within", "Nothing was switched")
        assert live(HOST, "jobs") == before[0]
        until(lambda: jobs.units() == before[1])
    jobs.entry["workers"] = [CELERY, BEAT]
    jobs.deploy()
    assert live(HOST, "jobs") != before[0]


def test_old_workers_come_back_by_themselves_where_a_run_dies_before_the_switch(jobs):
    before = live(HOST, "jobs"), jobs.units()
    jobs.write(2)
    jobs.entry["nginx_extra"] = "add_header X-One 1;"  # so the switch waits for the host's lock
    process = jobs.start("deploy")
    until(lambda: len(jobs.units()) > len(before[1]))
    on(HOST, "systemd-run --quiet --unit hold flock /var/lib/emperor-flask/host.lock sleep 600")
    try:
        until(lambda: not set(before[1]) & set(jobs.units()))
        kill(process)
        kill_step(HOST, "jobs")
    finally:
        on(HOST, "systemctl stop hold")
    until(lambda: (jobs.units(), jobs.units("deactivating")) == (before[1], []))
    assert live(HOST, "jobs") == before[0]
    linked = on(HOST, "ls /etc/systemd/system/uwsgi-emperor.target.wants | grep emperor-worker").split()
    assert sorted(linked) == before[1], "they start with the host, and no others"
    assert on(HOST, "pgrep -fc '[c]elery.* beat'").strip() == "1"
    jobs.deploy()
    until(lambda: all(live(HOST, "jobs") in unit for unit in jobs.units()))
    assert live(HOST, "jobs") != before[0] and len(jobs.units()) == 3
    assert on(HOST, "systemctl list-units --all --plain --no-legend 'emperor-resume-*'") == ""


def test_what_is_no_longer_declared_stops_and_an_unchanged_run_changes_nothing(jobs):
    assert len(jobs.units()) == 3
    ping = "celery --app jobs:celery inspect ping --destination $EMPEROR_WORKER@$(hostname) >shared/pong"
    jobs.entry |= {"workers": [{**CELERY, "processes": 1, "check_command": ping}], "shared": ["shared"]}
    jobs.deploy()
    assert "pong" in on(HOST, "cat /var/www/jobs/shared/shared/pong")
    until(lambda: len(jobs.units()) == 1)
    assert jobs.deploy().changed == [0]
    on(HOST, "systemctl stop 'emperor-worker-jobs-*'")
    assert jobs.deploy("--check").changed != [0]
    jobs.deploy()
    assert len(jobs.units()) == 1
    assert jobs.deploy().changed == [0]


def test_a_worker_that_hangs_on_its_stop_is_cut_off_and_said(jobs):
    deaf = {
        "name": "deaf",
        "command": "sh -c \"trap '' TERM; while :; do sleep 1; done\"",
        "stop_timeout": 3,
        "check": 1,
    }
    jobs.entry["workers"] = [deaf]
    jobs.deploy()
    jobs.write(2)
    run = jobs.deploy()
    assert "1 of the workers of" in run.output and "for 3 seconds at most" in run.output
    until(lambda: on(HOST, "pgrep -fc '[t]rap .* TERM'").strip() in ("1", "2") and len(jobs.units("deactivating")) == 0)
    assert "State 'stop-sigterm' timed out. Killing" in on(
        HOST, "journalctl -u 'emperor-worker-jobs-deaf-*' --no-pager"
    )
    until(lambda: on(HOST, "ls /etc/systemd/system | grep -c emperor-worker").strip() == "1")
