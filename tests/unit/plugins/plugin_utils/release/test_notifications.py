"""Who is told what, over real HTTP; and that nobody can fail a release."""

import socket
import threading

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.release import notifications
from receiver import receiver

APP = {"name": "shop", "before": "ab12.3", "activation": "cd34.4", "back": False}
PLAN = {"began": 0, "apps": [APP]}


def variables(host="web1", hosts=("web1", "web2")):
    plans = {each: {"__flask_app_plan": {"plan": PLAN}} for each in hosts}
    return {"inventory_hostname": host, "ansible_play_hosts_all": list(hosts), "hostvars": plans}


def event(step="retire", plan=PLAN, result=None, **more):
    return notifications.of_step(step, plan, result or {}, variables(**more))


def test_one_host_tells_of_a_release():
    told = event()
    assert told.pop("by").count("@") == 1
    assert told == {
        "event": "released",
        "host": "web1",
        "hosts": 2,
        "apps": [{"app": "shop", "before": "ab12", "release": "cd34"}],
        "failures": [],
    }
    assert event(host="web2") is None
    for step in ("stage", "candidate", "switch", "after_switch"):
        assert event(step) is None


def test_a_rollback_a_first_release_and_failures_are_called_what_they_are():
    assert event(plan={"apps": [{**APP, "back": True}]})["event"] == "rolled back"
    assert event(plan={"apps": [{**APP, "before": None}]})["apps"][0]["before"] == "nothing"
    half = event(plan={"apps": [APP, {**APP, "name": "blog"}]}, result={"failures": {"blog": "it broke"}})
    assert (half["event"], [app["app"] for app in half["apps"]], half["failures"]) == ("failed", ["shop"], ["it broke"])
    whole = event("revert", {"apps": []}, {"failed": True, "msg": "it broke\nNothing was switched"})
    assert (whole["event"], whole["apps"], whole["failures"]) == ("failed", [], ["it broke\nNothing was switched"])
    assert event("revert", {"apps": []}, {"failed": True, "msg": "x"}, host="web2") is None


@pytest.fixture(name="receiver")
def running():
    """A server that keeps what it is sent, and its address."""
    with receiver() as running:
        yield running


def test_a_chat_gets_a_text_and_a_program_the_event(receiver):
    got, url = receiver
    told = event()
    assert notifications.send([{"url": f"{url}/200"}, {"url": f"{url}/204", "format": "slack"}], told) == []
    plain, chat = sorted(got, key=lambda sent: sent[0])  # they are told at once
    assert plain == ("/200", "application/json", told)
    assert chat[2] == {"text": f"shop on web1 and 1 more: ab12 -> cd34, released by {told['by']}"}


def test_one_that_does_not_take_it_is_named_without_its_secret_and_the_others_are_told(receiver):
    got, url = receiver
    receivers = [
        {"url": f"{url}/500"},
        {"url": "http://127.0.0.1:1/s3cret"},
        {"url": "nonsense"},
        {"url": f"{url}/200"},
    ]
    said = notifications.send(receivers, event())
    assert len(said) == 3 and len(got) == 2
    assert said[0] == "flask_app_notify: 127.0.0.1 was not told of it (500); the release itself is not affected"
    assert "s3cret" not in "".join(said)


def test_one_whose_answer_never_ends_is_left_behind(monkeypatch):
    monkeypatch.setattr(notifications, "TIMEOUT", 1)
    done = threading.Event()

    def drip(server):
        connection, _address = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not done.wait(0.1):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        dripping = threading.Thread(target=drip, args=[server])
        dripping.start()
        said = notifications.send([{"url": f"http://127.0.0.1:{server.getsockname()[1]}/"}], event())
        assert dripping.is_alive(), "it was waited for"
        done.set()
        dripping.join()
    assert said == [
        "flask_app_notify: 127.0.0.1 was not told of it (no answer within 1 seconds); the release itself is not affected"
    ]
