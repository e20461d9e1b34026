"""How the apps are, for people and for monitors: from the controller and on the host."""

import json

import pytest
from conftest import HOST
from plays import live, on, until


def shown(*words):
    """What flask-app says, and its exit status."""
    *lines, status = on(HOST, f"flask-app {' '.join(words)}; echo $?").splitlines()
    return lines, int(status)


def test_an_app_that_is_well_is_shown_with_what_serves(jobs):
    jobs.entry["timers"] = [{"name": "digest", "command": "flask digest", "schedule": "*-*-* 06:00"}]
    jobs.deploy()
    for _ in range(30):
        on(HOST, "curl -s -H 'Host: jobs.test' localhost")
    lines, status = shown()
    assert status == 0, lines
    for part in (live(HOST, "jobs"), "up", "celery 2/2", "beat 1/1", "digest 20", "MiB", "@"):
        assert part in lines[1], part
    (row,) = json.loads("\n".join(shown("--json")[0]))
    assert row["requests_per_second"] >= 0.1 and row["errors"] == 0 and row["queue"] == 0 and row["problems"] == []
    assert row["origin"]["path"] == str(jobs.folder)
    run = jobs.play("status")
    assert run.status == 0 and live(HOST, "jobs") in run.output and "celery 2/2" in run.output
    assert run.changed == [0]


BROKEN = {
    "a worker that was stopped": ("systemctl stop 'emperor-worker-jobs-celery-*-1.service'", "worker celery: 1 of 2 processes run"),
    "an Emperor that was stopped": ("systemctl stop uwsgi-emperor@jobs", "its Emperor is inactive"),
    "a socket without a server": ("rm /var/www/jobs/run/*.sock", "nothing listens on its socket"),
}  # fmt: skip


@pytest.mark.parametrize(("harm", "said"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_and_the_next_deploy_puts_it_right(jobs, harm, said):
    on(HOST, harm)
    lines, status = shown("jobs")
    assert status == 1 and f"jobs: {said}" in lines
    jobs.refused(f"jobs: {said}", playbook="status", app="jobs")
    jobs.deploy()
    until(lambda: shown("jobs")[1] == 0)


def test_a_timer_whose_command_failed_is_a_problem_until_it_has_run(jobs):
    jobs.entry["timers"] = [{"name": "check", "command": "test -e /tmp/no || exit 3", "schedule": "*:*:0/1"}]
    jobs.deploy()
    until(lambda: "jobs: timer check failed when it last ran (exit-code)" in shown()[0])
    jobs.entry["timers"] = [{"name": "check", "command": "true", "schedule": "*:*:0/1"}]
    jobs.deploy()
    until(lambda: shown()[1] == 0)


def test_an_app_that_is_closed_is_shown_so_and_an_unknown_one_is_refused(jobs):
    jobs.play("maintenance", app="jobs", state="on")
    assert "closed" in shown()[0][1]
    jobs.play("maintenance", app="jobs", state="off")
    jobs.refused("there is no app 'job' on this host; there are: jobs", playbook="status", app="job")
