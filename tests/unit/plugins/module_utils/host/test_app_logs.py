"""What flask-app shows of an app's logs; the journal's part is scenario many_apps's matter."""

import gzip
import io
import json
import time

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import app_logs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the app's logs; the journal has nothing."""
    monkeypatch.setattr(app_logs, "LOGS", str(tmp_path))
    monkeypatch.setattr(app_logs, "_of_journal", lambda app, how: iter(()))
    (tmp_path / "shop").mkdir()
    return tmp_path / "shop"


def stamp(seconds):
    """A moment that many seconds ago."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(time.time() - seconds))


def test_lines_since_a_moment_come_from_all_rotations_in_the_order_of_time(folder):
    with gzip.open(folder / "shop_uwsgi.log.2.gz", "wt") as log:
        log.write(f"{stamp(9000)} too old\n{stamp(3000)} first\n")
    (folder / "shop_uwsgi.log.1").write_text(f"{stamp(2000)} second\n  its traceback\n")
    (folder / "shop_uwsgi.log").write_text(f'{{"time": "{stamp(100)}", "event": "fourth"}}\n')
    (folder / "emperor.log").write_text(f"{stamp(1000)} third\n")
    lines = list(app_logs.since("shop", app_logs.moment("1 hour ago")))
    assert [line.split()[-1] for line in lines] == ["first", "second", "traceback", "third", '"fourth"}']


def test_the_last_lines_are_those_of_all_logs_together(folder):
    (folder / "shop_uwsgi.log").write_text("".join(f"{stamp(200 - number)} web {number}\n" for number in range(150)))
    (folder / "emperor.log").write_text(f"{stamp(20)} the Emperor\n")
    lines = list(app_logs.last("shop"))
    assert len(lines) == app_logs.LAST and lines[-1].endswith("the Emperor") and lines[-2].endswith("web 149")


def test_no_line_speaks_to_the_terminal(folder):
    (folder / "shop_uwsgi.log").write_bytes(b"\x1b[2Jgone\ttab \xff\xc2\x9b31m\n")
    assert list(app_logs.last("shop")) == ["?[2Jgone\ttab \ufffd?31m"]


def test_what_the_journal_has_speaks_to_no_terminal_either_and_what_is_no_entry_is_left_out():
    entries = [
        {"MESSAGE": "\x1b[2Jtext", "SYSLOG_IDENTIFIER": "shop/mail\nsystemd[1]: forged"},
        {"MESSAGE": list(b"\x1b\xff")},
        {"MESSAGE": ["first", "second"]},
        {"MESSAGE": None},
        {"MESSAGE": "2026-11-30T05:12:58+0000 0f0eb9965580.1 - of the web"},
    ]
    printed = [json.dumps({"__REALTIME_TIMESTAMP": "1796015578000000", **entry}) for entry in entries]
    printed = "".join(f"{line}\n" for line in [*printed, "{", "[" * 10**5, '"' + "x" * app_logs.ENTRY + '"']).encode()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(1796015578))
    assert list(app_logs._entries(io.BytesIO(printed))) == [
        (1796015578.0, line)
        for line in (
            f"{stamp} shop/mail?systemd[1]: forged ?[2Jtext",
            f"{stamp} - ?\ufffd",
            f"{stamp} - first",
            f"{stamp} - second",
            "2026-11-30T05:12:58+0000 0f0eb9965580.1 - of the web",
        )
    ]


def test_what_others_say_of_an_app_is_systemds_alone():
    assert app_logs._asked("my-shop", [])[-4:] == [
        "_SYSTEMD_SLICE=emperor-my\\x2dshop.slice",
        "+",
        "_PID=1",
        "UNIT=uwsgi-emperor@my-shop.service",
    ]


def test_a_log_that_nobody_can_read_and_a_day_that_never_was_stop_nobody(folder):
    (folder / "shop_uwsgi.log.2.gz").write_bytes(b"no archive")
    (folder / "shop_uwsgi.log").write_text(f"{stamp(20)} first\n2026-13-45T00:00:00+0000 second\n")
    lines = list(app_logs.since("shop", time.time() - 3600))
    assert "shop_uwsgi.log.2.gz is left out: Not a gzipped file" in lines[0]
    assert [line.split()[-1] for line in lines[1:]] == ["first", "second"]
    assert [line.split()[-1] for line in app_logs.last("shop")] == ["first", "second"]


def test_a_log_without_an_end_takes_no_memory(folder):
    with open(folder / "shop_uwsgi.log", "wb") as log:
        log.truncate(2**30)
        log.seek(0, 2)
        log.write(f"\n{stamp(1)} at last\n".encode())
    assert list(app_logs.last("shop"))[-1].endswith(" at last")


@pytest.mark.parametrize("text", ["", "never", "--set=2020-01-01"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(app_logs.NoTime, match="is not a time that date"):
        app_logs.moment(text)


def test_a_day_is_its_beginning():
    assert time.strftime("%H:%M:%S", time.localtime(app_logs.moment("today"))) == "00:00:00"


def test_a_time_with_an_offset_is_the_same_moment():
    ((one, _), (other, _)) = app_logs._stamped(["2026-11-30T05:12:58+0000 a", "2026-11-30T07:12:58+02:00 b"])
    assert one == other == 1796015578
