"""Commands of an app from the controller and on the host, and who did what."""

import json

from conftest import HOST
from plays import live, on


def audited():
    """What the host has written down of the app."""
    return [json.loads(line) for line in on(HOST, "cat /var/log/emperor-flask/audit.log").splitlines()]


def test_a_command_runs_in_the_apps_box_and_its_end_is_the_runs(jobs):
    run = jobs.play("run", app="jobs", command="'id --user --name; echo $FLASK_APP; echo oops >&2'")
    assert run.status == 0, run.output
    assert "jobs" in run.output and "jobs:app" in run.output and "oops" in run.output
    line = audited()[-1]
    assert (line["app"], line["what"]) == ("jobs", "command") and "@" in line["by"] and "FLASK_APP" in line["command"]
    run = jobs.refused(
        "ended with 3", "no such thing", playbook="run", app="jobs", command="'echo no such thing; exit 3'"
    )
    assert run.changed == [0]


def test_what_cannot_be_run_is_refused_with_what_to_type(jobs):
    jobs.refused("there is no app ''", "-e app=NAME, one of: jobs", playbook="run", command="true")
    jobs.refused("there is no command", "-e command=", playbook="run", app="jobs")
    jobs.refused("-e comand=... is nothing that this playbook takes", playbook="run", app="jobs", comand="true")
    ran = len(audited())
    assert jobs.play("run", "--check", app="jobs", command="true").status == 0
    assert len(audited()) == ran


def test_a_secret_that_a_command_prints_is_not_shown(jobs):
    jobs.entry["secrets"] = {"JOBS_KEY": "s3cret of the jobs"}
    jobs.deploy()
    run = jobs.play("run", app="jobs", command="'echo it is $JOBS_KEY'")
    assert run.status == 0 and "it is ********" in run.output and "s3cret" not in run.output


def test_the_releases_of_an_app_are_listed_with_who_made_them(jobs):
    jobs.write(7)
    jobs.deploy()
    jobs.rollback()
    listed = on(HOST, "flask-app jobs releases").splitlines()
    (serving,) = [line for line in listed if line.startswith("*")]
    assert live(HOST, "jobs") in serving and "@" in serving and "path " in serving
    assert any("rolled back" in line and "other code" in line for line in listed)
    assert [line["what"] for line in audited()][-2:] == ["release", "rollback"]


def test_maintenance_is_written_down_where_it_changes_something(jobs):
    for state in ("on", "on", "off"):
        jobs.play("maintenance", app="jobs", state=state)
    assert [line["what"] for line in audited()][-2:] == ["closed", "opened"]


def test_a_command_runs_on_a_host_of_the_play_and_nothing_else_that_is_typed_counts(jobs):
    run = jobs.play("run", app="jobs", command="echo app=other host=nowhere it ran", host=HOST)
    assert run.status == 0 and "app=other host=nowhere it ran" in run.output
    jobs.refused(
        f"there is no host 'emperor-many-aps' in this play; say one of: {HOST}",
        playbook="run",
        app="jobs",
        command="true",
        host="emperor-many-aps",
    )
