"""A release is told to those who want to know, and none of them can make it fail."""

import json

import pytest
from conftest import HANDS, HOST
from plays import live
from receiver import receiver


@pytest.fixture
def told():
    """What a receiver was sent, and its address."""
    with receiver() as running:
        yield running


def test_a_release_a_rollback_and_a_failure_are_told_and_a_dead_receiver_is_only_warned_about(jobs, told):
    sent, url = told

    def events():
        return [event for _path, _type, event in sent]

    dead = {"url": "http://127.0.0.1:1/s3cret", "format": "slack"}
    notify = ("-e", json.dumps({"flask_app_notify": [{"url": url}, dead]}))
    before = live(HOST, "jobs")
    jobs.write(2)
    run = jobs.deploy(*notify)
    assert (
        "flask_app_notify: 127.0.0.1 was not told of it" in " ".join(run.output.split()) and "s3cret" not in run.output
    )
    assert [event["event"] for event in events()] == ["released"]
    assert events()[0]["apps"] == [{"app": "jobs", "before": before, "release": live(HOST, "jobs")}]
    assert jobs.play("rollback", *notify, app="jobs").status == 0
    assert events()[-1]["event"] == "rolled back" and events()[-1]["apps"][0]["release"] == before
    jobs.entry["workers"] = [{**HANDS, "command": "false"}]
    assert jobs.play("deploy", *notify).status != 0
    assert events()[-1]["event"] == "failed" and "the worker 'hands' (false) ended" in events()[-1]["failures"][0]
    jobs.entry = jobs.first
    assert jobs.deploy("--check", *notify).changed != [0] and len(events()) == 3
    assert jobs.deploy(*notify).status == 0 and len(events()) == 4
    assert jobs.deploy(*notify).changed == [0] and len(events()) == 4
