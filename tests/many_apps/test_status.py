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
    told = json.loads("\n".join(shown("--json")[0]))
    (row,) = told["apps"]
    assert row["requests_per_second"] >= 0.1 and row["errors"] == 0 and row["queue"] == 0 and told["findings"] == []
    assert row["origin"]["path"] == str(jobs.folder)
    run = jobs.play("status")
    assert run.status == 0 and live(HOST, "jobs") in run.output and "celery 2/2" in run.output
    assert run.changed == [0]


TIMER = {"name": "digest", "command": "flask digest", "schedule": "*-*-* 06:00"}
BROKEN = {
    "worker-down": "systemctl stop 'emperor-worker-jobs-celery-*-1.service'",
    "timer-down": "systemctl stop emperor-timer-jobs-digest.timer",
    "emperor-down": "systemctl stop uwsgi-emperor@jobs",
    "vassal-down": "rm /var/www/jobs/run/*.sock",
    "nginx-down": "systemctl stop nginx",
    "nginx-refuses": "echo nonsense >/etc/nginx/conf.d/theirs.conf",
    "reload-owed": "touch /var/lib/emperor-flask/nginx-reload-owed",
}


def findings(*words):
    """What flask-app finds, by code."""
    return {finding["code"]: finding for finding in json.loads("\n".join(shown("--json", *words)[0]))["findings"]}


@pytest.mark.parametrize(("code", "harm"), BROKEN.items(), ids=BROKEN)
def test_what_is_wrong_is_found_and_what_it_says_mends_it(jobs, code, harm):
    jobs.entry["timers"] = [TIMER]
    jobs.deploy()
    assert shown("--doctor")[1] == 0
    on(HOST, harm)
    found = findings("--doctor")[code]
    run = jobs.refused(f"[{code}]", playbook="doctor")
    assert found["remedy"].split(";")[0] in " ".join(run.output.split())
    if found["remedy"].startswith("ansible-playbook emperor.flask.deploy"):
        jobs.deploy()
    elif found["remedy"].startswith("correct that file"):
        on(HOST, "rm /etc/nginx/conf.d/theirs.conf && nginx -t")
    else:
        on(HOST, found["remedy"])
    until(lambda: shown("--doctor")[1] == 0)
    assert jobs.play("doctor").status == 0


def test_a_timer_whose_command_failed_is_found_until_it_has_run(jobs):
    jobs.entry["timers"] = [{"name": "check", "command": "echo no such thing; exit 3", "schedule": "*:*:0/5"}]
    jobs.deploy()
    until(lambda: "timer-failed" in findings())
    assert "no such thing" in on(HOST, findings()["timer-failed"]["remedy"])
    jobs.refused("jobs: timer check failed when it last ran (exit-code) [timer-failed]", playbook="status", app="jobs")
    jobs.entry["timers"] = [{"name": "check", "command": "true", "schedule": "*:*:0/5"}]
    jobs.deploy()
    until(lambda: shown()[1] == 0)


def test_a_worker_that_ends_again_and_again_is_found(jobs):
    jobs.entry["workers"] = [{"name": "short", "command": "sleep 1", "check": 0}]
    jobs.deploy()
    until(lambda: "worker-restarts" in findings())


def test_an_app_that_is_closed_is_shown_so_and_an_unknown_one_is_refused(jobs):
    jobs.play("maintenance", app="jobs", state="on")
    assert "closed" in shown()[0][1]
    jobs.play("maintenance", app="jobs", state="off")
    jobs.refused("-e apps=... is nothing that this playbook takes; did you mean app?", playbook="doctor", apps="jobs")
    jobs.refused("there is no app 'job' on this host; there are: jobs", playbook="status", app="job")
