"""What nginx does for an app by itself, across releases and rotations of its log: the rest is scenario front_door's."""

import json
import time

import pytest
from plays import HOSTS, NAME, nothing_lost, on

(HOST,) = HOSTS
LOG = "/var/log/nginx/access.log"
OLD, NEW = "app.0a1b2c3d4e5f.css", "app.5f4e3d2c1b0a.css"


def statuses(*paths):
    """What the app's site answers to several paths."""
    asked = "curl -so /dev/null -w '%{http_code} ' -H"
    return [int(on(HOST, f"{asked} 'Host: {NAME}' 'http://localhost{path}'")) for path in paths]


@pytest.fixture
def static(shop):
    """The app with a static file."""
    folder = shop.folder / "static"
    folder.mkdir()
    (folder / OLD).write_text("body { color: black }\n")
    shop.entry["static"] = {"/static": "static"}
    shop.deploy()
    return shop


def test_old_and_new_files_are_found_after_a_switch_and_a_rollback(static):
    with nothing_lost():
        (static.folder / "static" / OLD).rename(static.folder / "static" / NEW)
        static.deploy()
        assert statuses(f"/static/{OLD}", f"/static/{NEW}") == [200, 200]
        static.rollback()
        assert statuses(f"/static/{OLD}", f"/static/{NEW}") == [200, 200]
    static.deploy()
    static.write("without a change of the files")
    static.deploy()
    assert statuses(f"/static/{OLD}", f"/static/{NEW}") == [404, 200]
    assert set(static.deploy().changed) == {0}


def test_a_release_that_is_refused_leaves_the_files_as_they_were(static):
    before = on(HOST, "ls -lR --time-style=+ /var/www/shop/static")
    (static.folder / "static" / OLD).rename(static.folder / "static/never-served.css")
    static.entry["health"] = {"path": "/nowhere", "timeout": 3}
    static.refused("/nowhere")
    assert on(HOST, "ls -lR --time-style=+ /var/www/shop/static") == before
    assert statuses(f"/static/{OLD}", "/static/never-served.css") == [200, 404]


def test_every_line_of_the_log_is_there_once_across_rotations(shop):
    on(HOST, f"rm -f {LOG}.*; : > {LOG}")
    with nothing_lost() as counted:
        for _ in range(3):
            time.sleep(1)
            on(HOST, "logrotate --force /etc/logrotate.d/nginx")
    time.sleep(1)
    lines = on(HOST, f"zcat -f {LOG}*").splitlines()
    entries = [json.loads(line) for line in lines]
    numbers = [entry["request_id"] for entry in entries]
    asked = [entry for entry in entries if entry["status"] != 499]
    assert len(numbers) == len(set(numbers))
    assert len(asked) >= counted[0].requests + counted[0].slow


def test_the_inventory_closes_an_app_and_opens_it_with_the_release(shop):
    shop.entry["maintenance"] = True
    assert set(shop.deploy().changed) == {1}
    assert statuses("/") == [503]
    assert set(shop.deploy().changed) == {0}
    shop.entry["maintenance"] = False
    shop.write("opened")
    shop.deploy()
    assert statuses("/") == [200]
    assert set(shop.deploy().changed) == {0}
