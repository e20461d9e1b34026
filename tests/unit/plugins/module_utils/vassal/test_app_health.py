"""What doctor says of an app that listens, by what it answers. (tests/many_apps asks a real one.)"""

import json
import os
import socket
import threading

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.vassal import app_health

HEALTH = {"path": "/up", "status": ["200-299"], "timeout": 1, "host": "shop.test"}


@pytest.fixture
def home(tmp_path):
    """The folder of an app whose release states a health request."""
    folder = tmp_path / "shop"
    (folder / "releases/ab12").mkdir(parents=True)
    (folder / "run").mkdir()
    (folder / "current").symlink_to("releases/ab12")
    (folder / "releases/ab12/manifest.json").write_text(json.dumps({"health": HEALTH}))
    (folder / "shop_uwsgi.sock").symlink_to("run/ab12.1.sock")
    return folder


def answer(path, said):
    """Let something listen that answers one request with these bytes; None leaves it waiting."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def once():
        connection, _ = listener.accept()
        with connection, listener:
            connection.recv(65536)
            if said is not None:
                connection.sendall(said)
            else:
                connection.recv(1)

    threading.Thread(target=once, daemon=True).start()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (b"HTTP/1.1 204 NO CONTENT\r\n\r\n", ""),
        (b"HTTP/1.1 500 ERROR\r\n\r\nno database", "it answers its health request, /up, with 500"),
        (None, "it does not answer its health request, /up ("),
    ],
    ids=["healthy", "ill", "silent"],
)
def test_what_an_app_answers_is_judged_as_by_a_release(home, said, meaning):
    answer(home / "run/ab12.1.sock", said)
    found = app_health.amiss("shop", str(home.parent))
    assert found == meaning if not meaning.endswith("(") else found.startswith(meaning), found


def test_an_app_without_a_manifest_is_said_and_who_sleeps_or_is_released_is_not_asked(home):
    os.remove(home / "releases/ab12/manifest.json")
    assert app_health.amiss("shop", str(home.parent)).startswith("its health request is not known (")
    rows = [
        {"app": "shop", "web": web, "lock": lock} for web, lock in (("asleep", None), ("down", None), ("up", "anna"))
    ]
    assert app_health.findings(rows) == []
    (found,) = app_health.findings([{"app": "nowhere", "web": "up", "lock": None}])
    assert (found["app"], found["code"]) == ("nowhere", "health")
