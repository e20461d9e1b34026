"""The lines of an app's log: marked with time, release and request, whole, whatever an app does to its standard output."""

import importlib.util
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest
from render import ROLES


@pytest.fixture
def log(monkeypatch):
    """emperor_log.py as a vassal imports it, and what its standard output and error have written."""
    monkeypatch.setenv("EMPEROR_VASSAL", "0f0eb9965580.1")
    spec = importlib.util.spec_from_file_location("emperor_log", ROLES / "uwsgi_emperor/files/emperor_log.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    read, write = os.pipe()
    with os.fdopen(read, "rb") as module.read, os.fdopen(write, "w") as stream:
        module.lines = module.Lines(stream)
        yield module


def written(log):
    """What came out."""
    os.set_blocking(log.read.fileno(), False)
    return (log.read.read() or b"").decode()


MARK = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} 0f0eb9965580\.1"


def test_a_line_is_written_once_it_has_ended_with_time_release_and_request(log):
    print("of no", end=" ", file=log.lines)
    assert written(log) == ""
    print("request", file=log.lines)
    log.here.request = "4f2a"
    print("first\nsecond", file=log.lines)
    assert re.fullmatch(rf"{MARK} - of no request\n{MARK} 4f2a first\n{MARK} 4f2a second\n", written(log))


def test_what_is_flushed_is_a_line(log):
    print("working", end="", flush=True, file=log.lines)
    assert re.fullmatch(rf"{MARK} - working\n", written(log))
    log.lines.flush()
    assert written(log) == ""


def test_an_object_of_json_stays_one(log):
    log.here.request = "4f2a"
    print('{"event": "paid", "release": "of the app"}', file=log.lines)
    line = json.loads(written(log), object_pairs_hook=list)
    assert [name for name, _ in line] == ["time", "release", "request_id", "event", "release"]
    print("{'event': 'paid'}", file=log.lines)
    assert written(log).endswith(" 4f2a {'event': 'paid'}\n")


def test_a_line_without_an_end_is_written_in_parts(log):
    log.LONGEST = 5
    log.lines.write("aaaaa")
    assert written(log) == ""
    log.lines.write("a")
    assert written(log).endswith(" aaaaaa\n")


def test_lines_of_two_threads_do_not_mix_and_each_has_its_own_request(log):
    def work(name):
        log.here.request = name
        for _ in range(200):
            print(name, "says", name * 3, file=log.lines)

    threads = [threading.Thread(target=work, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = written(log).splitlines()
    assert {line.partition(" 0f0eb9965580.1 ")[2] for line in lines} == {"a a says aaa", "b b says bbb"}
    assert len(lines) == 400


def test_what_apps_do_with_their_standard_output_still_works(log):
    log.lines.reconfigure(line_buffering=True)
    log.lines.buffer.write(b"bytes\n")
    log.lines.buffer.flush()
    assert written(log) == "bytes\n"
    assert (log.lines.encoding.lower(), log.lines.isatty(), log.lines.writable()) == ("utf-8", False, True)
    with pytest.raises(io.UnsupportedOperation):
        log.lines.read()
    print("\udcff", file=log.lines)
    assert written(log).endswith(" \\udcff\n")


def test_a_log_that_is_full_ends_nobody(log):
    with open("/dev/full", "w") as full:
        print("lost", file=log.Lines(full))


def test_the_traceback_of_an_import_is_written_at_once():
    """Each write to a socket of datagrams is one of them: what two workers write at the same time is not mixed."""
    code = "import emperor_log; emperor_log.mark(); emperor_log.unmark(); import no_such_module"
    read, write = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with read, write:
        subprocess.run([sys.executable, "-B", "-c", code], cwd=ROLES / "uwsgi_emperor/files", stderr=write, check=False)
        lines = read.recv(65536).decode().splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[-1] == "ModuleNotFoundError: No module named 'no_such_module'"
        read.setblocking(False)
        with pytest.raises(BlockingIOError):
            read.recv(65536)
