"""Timers: the live release runs on time, and never in a way that was not asked for."""

import re
import time

from conftest import HOST, redis
from plays import CHECKOUT, on, until

TIMER = "emperor-timer-jobs-digest"


def timer(**more):
    """A timer that runs the app's own command, each two seconds unless it is told otherwise."""
    return {"name": "digest", "command": "flask digest", "schedule": "*:*:0/2", **more}


def digests():
    """What the command has noted: a release, and whether it began or was done."""
    return [tuple(line.split()) for line in redis("lrange digests 0 -1")]


def test_a_timer_runs_the_live_release_and_goes_when_it_is_no_longer_declared(jobs):
    jobs.entry["timers"] = [timer()]
    jobs.deploy()
    until(lambda: ("1", "done") in digests())
    jobs.write(2)
    jobs.deploy()
    until(lambda: ("2", "done") in digests())
    jobs.rollback()
    until(lambda: digests()[-1] == ("1", "done"))
    jobs.write(1)
    on(HOST, f"systemctl stop {TIMER}.timer")
    assert jobs.deploy().changed != [0] and jobs.deploy().changed == [0]
    jobs.entry["timers"] = []
    jobs.deploy()
    assert on(HOST, "ls /etc/systemd/system | grep emperor-timer", check=False) == ""
    ran = len(digests())
    time.sleep(3)
    assert len(digests()) == ran


def test_the_commands_of_the_page_show_what_runs(timed):
    on(HOST, f"systemctl start {TIMER}.service")
    (block,) = re.findall(r"^```sh\n(.*?)^```", (CHECKOUT / "docs/workers.md").read_text(), re.MULTILINE | re.DOTALL)
    shown = [on(HOST, line.replace("notes", "jobs")) for line in block.splitlines()]
    assert "emperor-worker-jobs-hands-" in shown[0] and f"{TIMER}.timer" in shown[1]
    assert "jobs/hands[" in shown[2] and "digested by release 1" in shown[3]


def test_what_is_due_while_it_runs_is_skipped_queued_or_killed_for(jobs):
    note = "redis-cli rpush {0} begun; sleep 3; redis-cli rpush {0} done"
    jobs.entry["timers"] = [
        timer(name=overlap, command=note.format(overlap), overlap=overlap) for overlap in ("skip", "queue", "kill")
    ]
    jobs.deploy()
    for overlap in ("skip", "queue", "kill"):
        until(lambda: int(redis(f"llen {overlap}")[0]) > 5)  # noqa: B023
        # Killed by the next one, it is never done; else no two run at once.
        wanted = ["begun"] * 4 if overlap == "kill" else ["begun", "done"] * 2
        assert redis(f"lrange {overlap} 0 3") == wanted, overlap
    until(lambda: on(HOST, "ls /run/emperor-flask/queued"))


def test_a_host_that_restarts_while_a_timer_runs_comes_back_with_its_workers(jobs, restart):
    jobs.entry |= {"env": {"DIGEST_SECONDS": "600"}, "timers": [timer()]}
    jobs.deploy()
    until(lambda: ("1", "begun") in digests())
    before = jobs.units()
    restart(HOST)
    until(lambda: jobs.units() == before)
    assert jobs.deploy().changed == [0]


def test_a_schedule_that_the_host_does_not_know_is_refused_before_anything_changes(jobs, monkeypatch, tmp_path):
    """The controller here knows none: another machine may have no systemd."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemd-analyze").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "bin/systemd-analyze").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    jobs.entry["timers"] = [timer(schedule="every morning")]
    before = jobs.units()
    jobs.refused("timers 'digest': schedule 'every morning' is not a time that this host's systemd knows")
    assert jobs.units() == before
