"""What nginx does for an app by itself: static files across releases, headers, limits, pages, maintenance, the log."""

import gzip
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from conftest import HOSTS, NAME, live, nothing_lost, on

(HOST,) = HOSTS
LOG = "/var/log/nginx/access.log"
OLD, NEW = "app.0a1b2c3d4e5f.css", "app.5f4e3d2c1b0a.css"


@dataclass
class Answer:
    """What curl got: the status, the headers by their names in small letters, the body."""

    status: int
    headers: dict
    body: str


def ask(path="/", *options):
    """Ask the app through nginx, with the path as it stands."""
    given = " ".join(f"'{option}'" for option in options)
    said = on(HOST, f"curl -si --path-as-is -H 'Host: {NAME}' {given} 'http://localhost{path}'")
    head, _, body = said.replace("\r\n", "\n").partition("\n\n")
    first, *lines = head.splitlines()
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Answer(int(first.split()[1]), headers, body)


def statuses(*paths):
    """The statuses of several paths."""
    return [ask(path).status for path in paths]


@pytest.fixture
def static(shop):
    """The app with a static file whose name has a digest, one whose name has none, and one that is packed already."""
    folder = shop.folder / "static"
    folder.mkdir()
    shop.entry["static"] = {"/static": "static"}
    for name in (OLD, "app.css"):
        (folder / name).write_text("body { color: black }\n" * 100)
    (folder / "packed.js").write_text("let packed = 1\n" * 100)
    (folder / "packed.js.gz").write_bytes(gzip.compress(b"let packed = 1\n" * 100, mtime=0))
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


def test_files_are_kept_as_long_as_their_names_promise_and_sent_as_small_as_they_can_be(static):
    digest, plain = ask(f"/static/{OLD}"), ask("/static/app.css")
    assert digest.headers["cache-control"] == "max-age=31536000"
    assert plain.headers["cache-control"] == "no-cache"
    assert digest.headers["x-content-type-options"] == "nosniff"
    assert ask("/static/app.css", "-H", f"If-None-Match: {plain.headers['etag']}").status == 304
    packed = on(HOST, f"curl -s -H 'Host: {NAME}' -H 'Accept-Encoding: gzip' localhost/static/packed.js | sha256sum")
    assert packed == on(HOST, "sha256sum < /var/www/shop/current/code/static/packed.js.gz")
    assert ask("/static/packed.js").body.startswith("let packed")


def test_nothing_but_the_files_is_served(static):
    (static.folder / "static/.env").write_text("SECRET=1\n")
    static.deploy()
    outside = ["/static/../shop.py", "/static/%2e%2e/shop.py", "/static/..%2f..%2fshop.py", "/static//etc/passwd"]
    links = [
        "/static/.env",
        "/static/",
        "/static",
        "/current/static/app.css",
        "/static/app.css%00.html",
        "/static/app.css/",
    ]
    for path in (*outside, *links):
        assert ask(path).status in (400, 404), path
    assert on(HOST, "runuser -u www-data -- cat /var/www/shop/current/code/shop.py", check=False) == ""


def test_security_headers_have_defaults_that_the_inventory_and_the_app_override(shop):
    shop.entry["security_headers"] = {"Referrer-Policy": "", "Content-Security-Policy": "default-src 'self'"}
    shop.deploy()
    plain, own, missing = ask(), ask("/framed"), ask("/nowhere")
    assert plain.headers["x-frame-options"] == missing.headers["x-frame-options"] == "SAMEORIGIN"
    assert own.headers["x-frame-options"] == "ALLOWALL"
    assert plain.headers["content-security-policy"] == "default-src 'self'"
    assert "referrer-policy" not in plain.headers
    assert "x-emperor-release" not in plain.headers


def test_each_answer_has_the_number_that_app_and_log_know(shop):
    answer = ask("/request-id", "-H", "X-Request-ID: of the client")
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.body == answer.headers["x-request-id"]
    failed = ask("/fail")
    assert failed.status == 500
    entry = _entries(failed.headers["x-request-id"])
    assert {key: entry[key] for key in ("app", "release", "status", "uri", "client")} == {
        "app": "shop",
        "release": live(HOST),
        "status": 500,
        "uri": "/fail",
        "client": "127.0.0.1",
    }
    assert entry["bytes"] == len(failed.body) and entry["upstream_time"] >= 0 <= entry["time_taken"]
    assert failed.headers["x-request-id"] in on(HOST, "tail -n 20 /var/log/uwsgi/shop/shop_uwsgi.log")


def _entries(number):
    """The line of the log that has a request's number."""
    (line,) = [line for line in on(HOST, f"cat {LOG}").splitlines() if number in line]
    return json.loads(line)


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


def test_limits_answer_429_for_the_app_and_spare_static_files(static):
    static.entry["rate_limit"] = {"requests": 1, "burst": 3}
    static.entry["connection_limit"] = 2
    static.deploy()
    many = on(
        HOST, f"for i in $(seq 20); do curl -s -o /dev/null -w '%{{http_code}} ' -H 'Host: {NAME}' localhost/; done"
    )
    assert many.split()[0] == "200" and "429" in many
    limited = [ask() for _ in range(10)][-1]
    assert (limited.status, limited.headers["retry-after"]) == (429, "1")
    assert set(statuses(*["/static/app.css"] * 20)) == {200}
    time.sleep(5)
    with ThreadPoolExecutor(4) as clients:
        assert sorted(clients.map(lambda _: ask("/slow").status, range(4))) == [200, 200, 429, 429]


def test_pages_say_what_nginx_cannot_and_the_apps_own_errors_pass(shop):
    assert ask("/fail/503").body == "of the app's own"
    socket = on(HOST, "readlink /var/www/shop/shop_uwsgi.sock").strip()
    on(HOST, "ln -sfn run/nobody.sock /var/www/shop/shop_uwsgi.sock")
    try:
        gone = ask("/", "-X", "POST", "-d", "a=1")
    finally:
        on(HOST, f"ln -sfn {socket} /var/www/shop/shop_uwsgi.sock")
    assert (gone.status, gone.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert "<h1>No answer</h1>" in gone.body
    assert gone.headers["x-frame-options"] == "SAMEORIGIN"
    assert statuses("/emperor_pages/502.html", "/") == [404, 200]


def test_maintenance_closes_the_app_at_once_and_opens_it_again(shop):
    began = time.monotonic()
    run = shop.play("maintenance", app="shop", state="on")
    assert run.status == 0 and set(run.changed) == {1}, run.output
    print(f"\nmaintenance took {time.monotonic() - began:.1f} s")
    closed = ask("/", "-X", "POST", "-d", "a=1")
    assert (closed.status, closed.headers["retry-after"]) == (503, "60")
    assert "<h1>Closed for maintenance</h1>" in closed.body
    assert set(shop.play("maintenance", app="shop", state="on").changed) == {0}
    shop.write("behind closed doors")
    shop.deploy()
    assert ask().status == 503
    assert set(shop.play("maintenance", app="shop", state="off").changed) == {1}
    assert (ask().status, ask().body) == (200, "shop behind closed doors")


def test_the_inventory_closes_an_app_and_opens_it_with_the_release(shop):
    shop.entry["maintenance"] = True
    assert set(shop.deploy().changed) == {1}
    assert ask().status == 503
    assert set(shop.deploy().changed) == {0}
    shop.entry["maintenance"] = False
    shop.write("opened")
    shop.deploy()
    assert ask().body == "shop opened"
    assert set(shop.deploy().changed) == {0}
