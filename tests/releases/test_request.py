"""What an app can rely on in a request: its threads, its encoding, bodies of any size."""

import pytest
from plays import HOSTS, NAME, on

(HOST,) = HOSTS
MIB = 2**20


def ask(path, *options):
    """What the app answers."""
    return on(HOST, f"curl -s -H 'Host: {NAME}' {' '.join(options)} http://localhost{path}")


def test_a_thread_that_was_started_at_import_runs_in_every_worker(shop):
    shop.entry |= {"env": {"SHOP_LISTENER": "1"}, "processes": 2}
    shop.deploy()
    assert {ask("/logged") for _ in range(20)} == {"shop True"}
    assert "killed by signal" not in on(HOST, "tail -n 100 /var/log/uwsgi/shop/shop_uwsgi.log")


@pytest.fixture
def c_locale(shop):
    """A host whose services have the locale C."""
    restart = "systemctl restart uwsgi-emperor@shop"
    on(HOST, f"systemctl set-environment LANG=C LC_ALL=C; {restart}")
    yield
    on(HOST, f"systemctl unset-environment LANG LC_ALL; {restart}")


def test_text_is_utf_8_whatever_the_hosts_locale(c_locale):
    asked = f"curl -s --retry 60 --retry-delay 1 --retry-all-errors --fail -H 'Host: {NAME}' http://localhost/encoding"
    assert on(HOST, asked) == "utf-8 \u00fc 2"
    assert on(HOST, "flask-app shop python -c 'import sys; print(sys.getfilesystemencoding())'") == "utf-8\n"


def test_a_file_is_sent_whole_or_in_part_whatever_was_asked_with_it(shop):
    whole = (shop.folder / "shop.py").read_text()
    assert ask("/file") == ask("/file", "-d", "unread") == whole
    assert ask("/file", "-r", "5-9") == whole[5:10]


def test_a_large_upload_takes_no_memory(shop):
    shop.entry["client_max_body_size"] = "300m"
    shop.deploy()
    workers = "$(pgrep -u shop uwsgi | sed 's,.*,/proc/&/status,')"
    peak = f"cat {workers} | sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' | sort -n | tail -n 1"
    on(HOST, "truncate -s 256M /tmp/large")
    before = int(on(HOST, peak))
    assert ask("/count", "-T", "/tmp/large", "-X", "POST") == str(256 * MIB)
    assert int(on(HOST, peak)) - before < 32 * 1024, "KiB"
    on(HOST, "rm /tmp/large")
