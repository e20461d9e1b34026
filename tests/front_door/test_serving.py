"""What nginx does by itself: static files, compression, limits, pages, maintenance, the log."""

import contextlib
import json
import re
import shutil
import subprocess

import pytest
from conftest import CHECKOUT, HOSTS, apps, ask, deploy, each_host, on, play, several

GALLERY = "https://gallery.test"
APART = ("--interface", "127.0.0.9")  # an address whose requests no other test's limit counts


@each_host
def test_static_files_are_nginxs_and_fresh(host):
    answer = ask(host, f"{GALLERY}/static/style.css")
    assert answer.status == 200 and "#scheme" in answer.body
    assert answer.headers["content-type"].startswith("text/css")
    assert "no-cache" in answer.headers["cache-control"]
    assert (
        ask(host, f"{GALLERY}/static/style.css", "--header", f"If-None-Match: {answer.headers['etag']}").status == 304
    )
    assert ask(host, f"{GALLERY}/static/nothing.css").status == 404


@each_host
def test_a_precompressed_file_is_sent_as_it_is_and_text_is_compressed(host):
    compressed = ["--header", "Accept-Encoding: gzip", "--output", "/dev/null"]
    ready = ask(host, f"{GALLERY}/static/style.css", *compressed).headers
    size = on(host, "stat --format %s /var/www/gallery/static/current/static/style.css.gz").strip()
    assert (ready["content-encoding"], ready["content-length"]) == ("gzip", size)
    made = ask(host, f"{GALLERY}/words", *compressed).headers
    assert made["content-encoding"] == "gzip" and "Accept-Encoding" in made["vary"]
    assert "content-encoding" not in ask(host, f"{GALLERY}/words").headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../gallery.py",
        "/static/..%2fgallery.py",
        "/static/%2e%2e/gallery.py",
        "/static/deep/../../private/secret.txt",
        "/static/....//private/secret.txt",
        "/static//../private/secret.txt",
        "/static..%2f/private/secret.txt",
        "/static%00/../private/secret.txt",
        "/static/current/static/style.css",
        "/private/secret.txt",
    ],
)
def test_nothing_outside_of_static_is_served(path):
    answer = ask(HOSTS[0], GALLERY + path)
    assert answer.status in (400, 404), answer
    assert "NOT-FOR-THE-PUBLIC" not in answer.body


@each_host
@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("size", [60_000, 200_000, 900_000])
def test_an_answer_arrives_though_the_app_did_not_read_the_body(host, version, size):
    name = f"shop.{host}.test"
    on(host, f"truncate -s {size} /tmp/body")
    asked = f"curl -sk {version} --resolve {name}:443:127.0.0.1 --data-binary @/tmp/body https://{name}/unread"
    assert on(host, f"for one in 1 2 3 4; do {asked}; echo; done") == "shop 1\n" * 4


@each_host
def test_a_body_that_is_too_large_is_refused(host):
    assert ask(host, "https://echo.test/", *APART, "--data", "x" * 9000).status == 200
    assert ask(host, "https://echo.test/", *APART, "--data", "x" * 11000).status == 413


@each_host
def test_more_requests_than_allowed_are_refused_for_that_address_alone(host):
    statuses = several(host, "http://echo.test/", 60, "--resolve", "echo.test:80:127.0.0.1", "--interface", "127.0.0.8")
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 4  # the burst, but for the limit of connections
    answer = ask(host, "http://echo.test/", *APART)
    assert answer.status == 200


@each_host
def test_more_connections_than_allowed_are_refused(host):
    options = ["--resolve", "echo.test:80:127.0.0.1", "--interface", "127.0.0.7"]
    statuses = several(host, "http://echo.test/sleep/4", 8, *options)
    assert sorted(statuses) == [200] * 4 + [429] * 4


@contextlib.contextmanager
def undone(host, begin, end):
    """What a command does on a host, for as long as the block runs."""
    on(host, begin)
    try:
        yield
    finally:
        on(host, end)


def page(host, name):
    """A page of nginx's own, as its file has it."""
    return on(host, f"cat /usr/local/share/emperor-flask/emperor_pages/{name}.html").strip()


def test_pages_of_our_own_for_502_503_and_504_and_the_apps_own_pass():
    host = HOSTS[0]
    assert ask(host, f"{GALLERY}/status/503").body == "the gallery's own page"
    busy = ask(host, f"{GALLERY}/?busy=1")  # its nginx_extra
    assert (busy.status, busy.body.strip(), busy.headers["retry-after"]) == (503, page(host, "503"), "60")
    for status, begin, end in (
        (504, "pkill -STOP -u gallery uwsgi", "pkill -CONT -u gallery uwsgi"),
        (502, "systemctl stop uwsgi-emperor@gallery", "systemctl start uwsgi-emperor@gallery"),
    ):
        with undone(host, begin, end):
            answer = ask(host, f"{GALLERY}/")
        assert (answer.status, answer.body.strip()) == (status, page(host, status))
    for _ in range(50):
        if ask(host, f"{GALLERY}/").status == 200:
            return
    pytest.fail("gallery does not come back")


@contextlib.contextmanager
def maintenance(app):
    """Closed while the block runs."""
    assert play("maintenance", "-e", f"app={app}", "-e", "state=on").status == 0
    try:
        yield
    finally:
        assert play("maintenance", "-e", f"app={app}", "-e", "state=off").status == 0


def test_a_closed_app_without_an_authority_is_closed_to_everybody():
    with maintenance("gallery"):
        for host in HOSTS:
            assert ask(host, f"{GALLERY}/.well-known/acme-challenge/x").status == 503


def test_an_app_is_closed_for_maintenance_and_opened():
    with maintenance("shop"):
        for host in HOSTS:
            answer = ask(host, f"https://shop.{host}.test/")
            assert (answer.status, answer.headers["retry-after"]) == (503, "60"), answer
            assert "maintenance" in answer.body
            assert ask(host, GALLERY).status == 200
    for host in HOSTS:
        assert ask(host, f"https://shop.{host}.test/").body == "shop 1"


SLOW = """
import socket, sys
held = []
for _ in range(8000):
    held.append(socket.create_connection(("127.0.0.1", 80)))
    held[-1].sendall(b"GET / HTTP/1.1\\r\\nHost: echo.test\\r\\nX-Slow: ")
print("held", flush=True)
sys.stdin.readline()
closed = 0
for one in held:
    one.settimeout(60)
    try:
        closed += one.recv(1) == b""
    except ConnectionResetError:
        closed += 1
print(closed)
"""


def test_a_crowd_of_slow_clients_keeps_nobody_from_an_answer_and_is_sent_away():
    host = HOSTS[0]
    argv = ["docker", "exec", "-i", host, "python3", "-c", SLOW]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
        assert crowd.stdout.readline() == "held\n"
        assert [ask(host, url).status for url in (f"https://shop.{host}.test/", GALLERY) * 5] == [200] * 10
        assert crowd.communicate("\n")[0] == "8000\n"


def test_an_upload_that_the_disk_has_no_room_for_is_told_so():
    host = HOSTS[0]
    folder = "/var/lib/nginx/body"
    mount = f"mount -t tmpfs -o size=64k,mode=700,uid=$(id -u www-data) none {folder}"
    with undone(host, f"head -c 900000 /dev/urandom >/tmp/upload; {mount}", f"umount {folder}"):
        for version in ("--http1.1", "--http2"):
            answer = ask(host, f"https://shop.{host}.test/count", version, "--data-binary", "@/tmp/upload")
            assert (answer.status, answer.body.strip()) == (507, page(host, "507"))
    assert ask(host, f"https://shop.{host}.test/count", "--data-binary", "@/tmp/upload").body == "900000"
    assert ask(host, f"{GALLERY}/status/500").status == 500, "the app's own"


def logged(host, number):
    """The lines of the log with this request id. Others may have bytes that are no text: those of malformed requests."""
    lines = on(host, f"grep -aF '{number}' /var/log/nginx/access.log").splitlines()
    return [line for line in map(json.loads, lines) if line["request_id"] == number]


def test_a_trace_is_in_the_log():
    host, parent = HOSTS[0], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for stated, expected in ((parent, parent), ("nonsense", "")):
        number = ask(host, GALLERY, "--header", f"traceparent: {stated}").headers["x-request-id"]
        (line,) = logged(host, number)
        assert line["traceparent"] == expected


@each_host
def test_each_line_of_the_log_is_json_that_names_app_and_release(host):
    number = ask(host, f"https://shop.{host}.test/").headers["x-request-id"]
    (line,) = logged(host, number)
    live = on(host, "readlink /var/www/shop/current").strip().removeprefix("releases/")
    assert (line["app"], line["release"], line["status"], line["method"]) == ("shop", live, 200, "GET")
    assert line["upstream_time"] >= 0 and line["time_taken"] >= 0 and line["bytes"] == len("shop 1")
    assert re.match(r"\d{4}-\d\d-\d\dT", line["time"])


def test_old_and_new_static_files_are_both_there_after_a_release(tmp_path):
    host = HOSTS[0]
    new = tmp_path / "gallery"
    shutil.copytree(CHECKOUT / "tests/fixtures/gallery", new)
    (new / "static/style.css").rename(new / "static/style2.css")
    changes = {"source": {"path": str(new)}, "hooks": {"build": []}}
    deploy(hosts=HOSTS[:1], flask_apps=apps(gallery=changes))
    assert [ask(host, f"{GALLERY}/static/{name}.css").status for name in ("style", "style2")] == [200, 200]
    deploy(hosts=HOSTS[:1])
    assert ask(host, f"{GALLERY}/static/style.css").status == 200
