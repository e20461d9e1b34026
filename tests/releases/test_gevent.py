"""What holds with threads holds for an app that runs in greenlets: releases, deadlines, streams."""

import json

import pytest
from conftest import Live, Shop, alone, in_greenlets, released, until_alone
from plays import HOSTS, on, until
from stream_clients import begin
from test_deadline import RATE, asked, nothing_lost, told
from test_streams import EVENTS, SOCKETS, again, tell

(HOST,) = HOSTS


@pytest.fixture
def green(tmp_path):
    """The app in greenlets, with a deadline of 8 seconds, and an empty log."""
    return alone(released(in_greenlets(Shop(tmp_path / "shop", HOSTS), harakiri=8), "green"))


@pytest.fixture
def green_pages(tmp_path, live_for_a_while):
    """The app with live pages in greenlets."""
    return alone(released(in_greenlets(Live(tmp_path / "live")), "green"))


def test_a_release_loses_nothing_and_a_stuck_request_is_given_up_and_said(green):
    with nothing_lost(rate=RATE):
        again(green)
        until_alone("shop")
    with nothing_lost(rate=RATE), asked("/stuck", 3) as statuses:
        until(lambda: len(told()) == 3)
    assert set(statuses) <= {502, 504}, statuses
    assert all("time.sleep(3000)" in where for where in told().values()), told()


def test_streams_in_greenlets_are_told_of_a_release_and_come_back(green_pages):
    clients, pid, are_open = begin(HOST, "live.test", EVENTS, SOCKETS)
    tell("one")
    on(HOST, "sleep 6")
    assert are_open() == EVENTS + SOCKETS
    again(green_pages)
    tell("two")
    until_alone("live")
    until(lambda: are_open() == EVENTS + SOCKETS)
    on(HOST, f"sleep 3; kill -TERM {pid}")
    seen = json.loads(clients.communicate(timeout=60)[0])
    assert seen["wrong"] == [] and {tuple(events) for events in seen["events"]} == {("one", "two")}
    assert seen["codes"] == [1012] * SOCKETS and seen["retries"] == EVENTS
    log = on(HOST, "cat /var/log/uwsgi/live/live_uwsgi.log")
    assert "takes longer" not in log and "(drain)" not in log
