"""Event streams and websockets through a balancer."""

import json

import pytest
from conftest import BALANCERS, SERVERS
from plays import CHECKOUT, FLEET, App, on
from stream_clients import begin

EVENTS, SOCKETS = 9, 3


@pytest.fixture
def live(installed, tmp_path):
    """The example app with live pages beside the shop; gone afterwards."""
    entry = {
        "streams": 40,
        "harakiri": 4,
        "processes": 1,
        "threads": 4,
        "shared": ["instance"],
        "env": {"HEARTBEAT": "2"},
    }
    app = App("live", tmp_path / "live", FLEET, fixture=CHECKOUT / "examples/live", **entry)
    app.others = [installed.entry]
    run = app.play("site")
    assert run.status == 0, run.output
    yield app
    app.entry = {"name": "live", "state": "absent", "keep_shared": False}
    run = app.play("site")
    assert run.status == 0, run.output


def tell(message):
    """Post a message at each server: here they share nothing."""
    for server in SERVERS:
        assert on(server, f"curl -s -H 'Host: live.test' -d '{message}' localhost/") == "kept\n"


def test_streams_stay_open_through_a_balancer_and_begin_again_with_a_release(live):
    clients, pid, are_open = begin(BALANCERS[0], "live.test", EVENTS, SOCKETS)
    tell("one")
    on(BALANCERS[0], "sleep 6")  # longer than the deadline of other requests
    assert are_open() == EVENTS + SOCKETS
    (live.folder / "VERSION").write_text("two\n")
    live.deploy()
    tell("two")
    on(BALANCERS[0], f"sleep 6; kill -TERM {pid}")
    seen = json.loads(clients.communicate(timeout=60)[0])
    assert seen["wrong"] == [] and set(seen["statuses"]) <= {503}, seen
    assert {tuple(events) for events in seen["events"]} == {("one", "two")}
    assert seen["codes"] == [1012] * SOCKETS
