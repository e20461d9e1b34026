"""What holds with threads holds for an app that runs in greenlets: releases, deadlines, streams."""

import json

import pytest
from plays import HOSTS, on, until
from test_deadline import LOG, RATE, asked, nothing_lost, told
from test_streams import EVENTS, SOCKETS, again, begin, tell, until_alone

(HOST,) = HOSTS


def greenlets(app, **entry):
    """Let an app run in greenlets."""
    del app.entry["threads"]
    app.entry |= {"concurrency": "gevent", **entry}
    with (app.folder / "requirements.txt").open("a") as packages:
        packages.write("gevent==26.9.0\n")
    app.deploy()


@pytest.fixture
def green(shop):
    """The app in greenlets, with a deadline of 8 seconds, and an empty log."""
    greenlets(shop, harakiri=8)
    on(HOST, f": > {LOG}")
    return shop


def test_a_release_loses_nothing_and_a_stuck_request_is_given_up_and_said(green):
    with nothing_lost(rate=RATE):
        again(green)
        until_alone("shop")
    with nothing_lost(rate=RATE), asked("/stuck", 3) as statuses:
        until(lambda: len(told()) == 3)
    assert set(statuses) <= {502, 504}, statuses
    assert all("time.sleep(3000)" in where for where in told().values()), told()


def test_streams_in_greenlets_are_told_of_a_release_and_come_back(live):
    greenlets(live)
    clients, pid, are_open = begin(EVENTS, SOCKETS)
    tell("one")
    on(HOST, "sleep 6")
    assert are_open() == EVENTS + SOCKETS
    again(live)
    tell("two")
    until_alone("live")
    until(lambda: are_open() == EVENTS + SOCKETS)
    on(HOST, f"sleep 3; kill -TERM {pid}")
    seen = json.loads(clients.communicate(timeout=60)[0])
    assert seen["wrong"] == [] and {tuple(events) for events in seen["events"]} == {("one", "two")}
    assert seen["codes"] == [1012] * SOCKETS and seen["retries"] == EVENTS
    log = on(HOST, "cat /var/log/uwsgi/live/live_uwsgi.log")
    assert "takes longer" not in log and "(drain)" not in log
