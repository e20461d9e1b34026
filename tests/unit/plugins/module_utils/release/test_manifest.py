"""Manifests of older versions are brought to today's form; one of a later version is refused."""

import json
import os

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import box
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import manifest

# As commit df01e44 wrote it.
OLD = {
    "schema": 2,
    "app": "shop",
    "module": "shop:app",
    "code": "c0de",
    "venv": "5e5e",
    "python": "3.11",
    "uwsgi": "/opt/uwsgi/uwsgi-2.0.31-python3.11/bin/uwsgi",
    "pythonpath": ["/var/www/shop/code/c0de"],
    "default_server": False,
    "health": {"path": "/", "status": ["200-399"], "timeout": 60, "host": "shop.test"},
    "hooks": {"build": [], "before_switch": [], "after_switch": []},
    "shared": ["instance"],
    "static": {},
    "files": {},
    "origin": "code c0de",
}


@pytest.fixture
def write(tmp_path):
    """Write a release's manifest; returns the app's layout."""

    def write(content):
        layout = Layout("shop", str(tmp_path))
        os.makedirs(layout.release("01"))
        with open(os.path.join(layout.release("01"), "manifest.json"), "w") as stream:
            json.dump(content, stream)
        return layout

    return write


def test_a_manifest_of_an_older_version_has_all_that_todays_have(write):
    layout = write(OLD)
    found = manifest.read(layout, "01")
    assert {key: found[key] for key in OLD if key != "health"} == {key: OLD[key] for key in OLD if key != "health"}
    assert (found["timeouts"], found["limits"], found["interpreter"]) == (box.TIMEOUTS, box.LIMITS, "")
    assert found["unlimited"]
    asked = manifest.health(layout, found)
    assert (asked.path, asked.scheme, asked.host, asked.app) == ("/", "http", "shop.test", "shop")


def test_a_manifest_of_today_stays_as_it_is(write):
    new = {**OLD, "limits": {"files": 1, "log": 2}, "timeouts": {}, "interpreter": "python"}
    new["health"] = {**OLD["health"], "scheme": "https"}
    assert manifest.read(write(new), "01") == {**new, "unlimited": False, "idle": 0}
    assert manifest.migrated({**new, "idle": 900})["idle"] == 900


def test_a_manifest_of_a_later_version_is_not_read(write):
    with pytest.raises(manifest.Unknown, match="its manifest has schema 3, and this version of emperor.flask reads 2"):
        manifest.read(write({**OLD, "schema": 3}), "01")
