"""What stands between uWSGI and an app: serve.py, with uWSGI's module replaced; what it does in a worker is scenario releases' matter."""

import io
import os
import socket
import sys
import threading
import time
from itertools import count
from types import ModuleType

import pytest
from render import ROLES

CHUNK = 65536


class Worker(ModuleType):
    """uWSGI's module, as a worker sees it."""

    numproc = 2

    def __init__(self, module="json:dumps", respawns=0, number=1, streams=2):
        super().__init__("uwsgi")
        self.opt = {
            "app-module": module.encode(),
            "app-limit": b"5",
            "app-streams": b"%d" % streams,
        }
        self.turn = os.memfd_create("turn")
        self.respawns, self.number = respawns, number

    def set_logvar(self, name, value):
        """A variable of the line that uWSGI logs of a request."""

    def worker_id(self):
        return self.number

    def workers(self):
        return [{"respawn_count": self.respawns, "requests": 0}]


def serve(**worker):
    """serve.py, executed as in a worker."""
    program = ModuleType("serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "uwsgi", Worker(**worker))
        patch.delitem(sys.modules, "emperor_sleep", raising=False)  # it has another worker's uwsgi
        patch.syspath_prepend(ROLES / "uwsgi_emperor/files")
        for name in ("stdout", "stderr"):  # put back in the end
            patch.setattr(sys, name, getattr(sys, name))
        exec(compile((ROLES / "uwsgi_emperor/files/serve.py").read_text(), "serve.py", "exec"), program.__dict__)
    return program


@pytest.fixture
def program(monkeypatch):
    """serve.py without its watch, which would end this process."""
    made = serve()
    monkeypatch.setattr(made.Application, "start", lambda self: setattr(self, "watch", True))
    return made


def awake(program):
    """What says that a vassal never sleeps."""
    return program.emperor_sleep.Sleep(0, None, None)


def application(program, app, turn=None):
    """The app as uWSGI calls it, in a worker that may have two streams open."""
    return program.Application(app, 5, turn, program.Streams(2), program.Vassal(b"\0", 55), awake(program))


def request(body=b"", wrapper=lambda file, size: file):
    """What uWSGI calls an app with."""
    return {
        "REQUEST_METHOD": "POST",
        "REQUEST_URI": "/",
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "wsgi.input": io.BytesIO(body),
        "wsgi.file_wrapper": wrapper,
    }


def ask(program, app, environ):
    """Call an app as uWSGI does; return its parts, and what was under way before the answer was closed and after."""
    served = application(program, app)
    answer = served(environ, lambda *stated: None)
    parts = list(answer)
    before = dict(served.under_way)
    answer.close()
    return parts, list(before), list(served.under_way)


def test_a_request_is_under_way_until_its_answer_is_closed(program):
    seen = []
    app = lambda environ, start: seen.append(environ) or [b"a", b"b"]  # noqa: E731
    environ = request()
    assert ask(program, app, environ) == ([b"a", b"b"], [id(environ)], [])


def test_an_answer_may_be_bytes_as_uwsgi_allows(program):
    assert ask(program, lambda environ, start: b"whole", request())[0] == [b"whole"]


def test_an_answer_that_has_something_to_close_is_closed(program):
    class Parts:
        closed = False

        def __iter__(self):
            return iter([b"part"])

        def close(self):
            self.closed = True

    parts = Parts()
    ask(program, lambda environ, start: parts, request())
    assert parts.closed


@pytest.mark.parametrize("read", [0, 1, 3 * CHUNK])
@pytest.mark.parametrize("parts", [[b"whole"], [], [b"a", b"b"]])
def test_a_body_is_read_to_its_end_before_the_answer_begins(program, read, parts):
    environ = request(b"x" * (3 * CHUNK))

    def app(environ, start):
        environ["wsgi.input"].read(read)
        return parts

    served = application(program, app, None)
    first = next(iter(served(environ, None)), None)
    assert first == (parts[0] if parts else None)
    assert environ["wsgi.input"].read() == b""


def test_an_app_that_reads_while_it_makes_its_first_part_gets_the_body(program):
    def app(environ, start):
        yield environ["wsgi.input"].read()
        yield b"end"

    assert ask(program, app, request(b"body"))[0] == [b"body", b"end"]


def test_a_body_is_read_to_its_end_where_the_app_raises_too(program):
    environ = request(b"body")
    served = application(program, lambda environ, start: 1 / 0, None)
    with pytest.raises(ZeroDivisionError):
        served(environ, None)
    assert environ["wsgi.input"].read() == b""
    assert served.under_way == {}


def test_a_client_that_goes_while_its_body_is_read_is_no_error(program):
    class Gone(io.BytesIO):
        def read(self, size=-1):
            raise OSError("error during read(65536) on wsgi.input")

    environ = {**request(b"body"), "wsgi.input": Gone()}
    assert ask(program, lambda environ, start: [b"late"], environ)[0] == [b"late"]


def test_a_file_is_left_to_uwsgi_and_is_never_over_the_limit(program, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    sent = []

    def wrapper(file, size):
        sent.append(file)
        return file

    opened = path.open("rb")
    served = application(program, lambda environ, start: environ["wsgi.file_wrapper"](opened, 4096), None)
    environ = request(b"body", wrapper)
    answer = served(environ, lambda *stated: None)
    assert answer is sent[0], "uWSGI compares it with what it was given"
    assert answer.fileno() == opened.fileno() and answer.read() == b"content"
    ((began, *_),) = served.under_way.values()
    assert time.monotonic() - began < 0
    assert environ["wsgi.input"].read() == b""
    answer.close()
    assert opened.closed and served.under_way == {}


def test_a_part_of_a_file_is_sent_by_the_app(program, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * CHUNK + b"content")

    def app(environ, start):
        file = environ["wsgi.file_wrapper"](path.open("rb"))
        parts = iter(file)
        parts.seek(CHUNK - 1)
        return [part[:3] for part in parts]

    assert ask(program, app, request())[0] == [b"xco"]


def test_an_app_is_found_by_its_name_or_made_by_its_factory(program):
    assert program.load("json:dumps")({}) == "{}"
    assert program.load("collections:OrderedDict()") == {}
    with pytest.raises(AttributeError, match="application"):
        program.load("json")


@pytest.mark.parametrize(("number", "respawns"), [(1, 0), (0, 0)], ids=["first worker", "preloaded by the master"])
def test_a_start_that_cannot_import_the_app_fails(number, respawns):
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        serve(module="nowhere:app", number=number, respawns=respawns)


def test_a_worker_that_replaces_another_one_goes_on_trying(capfd):
    pid = os.fork()
    if not pid:
        time.sleep = lambda seconds: os.write(1, f"after {seconds} s\n".encode())
        serve(module="nowhere:app", respawns=1)
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    said = capfd.readouterr()
    first, second, *_ = said.err.splitlines()
    assert first.endswith(" - worker 1 cannot import nowhere:app; it is replaced in 5 s") and " Traceback" in second
    assert "No module named 'nowhere'" in said.err
    assert said.out == "after 5 s\n"


def test_one_worker_at_a_time_has_the_turn(program):
    first = application(program, None, os.memfd_create("turn"))
    ready, go = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(go, b"yes" if first.has_turn() else b"no")
        time.sleep(60)
        os._exit(0)
    assert os.read(ready, 3) == b"yes"
    assert not first.has_turn()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert first.has_turn(), "the kernel frees it"


def test_what_a_client_sends_cannot_write_to_a_terminal(program):
    environ = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/\x1b[2J\n\xff", "HTTP_X_REQUEST_ID": "0a1b"}
    assert program.named(environ) == r"request GET /\x1b[2J\n\xff (0a1b)"


def streaming(environ, start):
    """An app that answers with events, until it is closed."""
    start("200 OK", [("Content-Type", "text/event-stream; charset=utf-8"), ("X-Accel-Buffering", "yes")])
    return iter([b"data: 1\n\n", b"data: ", b"2\n\n", b"data: 3\n\n"])


def test_an_event_stream_has_no_deadline_and_a_slot_until_it_is_closed(program):
    served, said = application(program, streaming), []
    answers = [served(request(), lambda *stated: said.append(stated)) for _ in range(3)]
    assert [status for status, _ in said] == ["200 OK"] * 2 + ["503 Service Unavailable"]
    assert dict(said[0][1])["X-Accel-Buffering"] == "yes", "the app's own word counts"
    assert dict(said[0][1])["Cache-Control"] == "no-cache"
    assert list(answers[2]) == [b"too many streams\n"]
    assert [began for began, *_ in served.under_way.values()][:2] == [float("inf")] * 2
    answers[0].close()
    assert list(served(request(), lambda *stated: said.append(stated)))[0] == b"data: 1\n\n"


def test_a_stream_that_is_to_end_ends_between_two_events_and_says_when_to_come_back(program):
    served = application(program, streaming)
    answer = served(request(), lambda *stated: None)
    parts = iter(answer)
    assert next(parts) == b"data: 1\n\n"
    assert next(parts) == b"data: "
    served.streams.end()
    assert next(parts) == b"2\n\n"
    retry = next(parts)
    assert 500 <= int(retry.removeprefix(b"retry: ").removesuffix(b"\n\n")) <= 3000
    assert list(parts) == []


def test_an_app_without_streams_is_told_so_once_and_serves_on(program, capfd):
    served = program.Application(streaming, 5, None, program.Streams(0), program.Vassal(b"\0", 55), awake(program))
    for _ in range(2):
        assert len(list(served(request(), lambda *stated: None))) == 4
    assert capfd.readouterr().err.count("say streams: N in the inventory") == 1


class Connection:
    """A connection to nginx, and uWSGI's number of it."""

    def __init__(self, program, monkeypatch):
        self.nginx, self.uwsgi = socket.socketpair()
        self.uwsgi.setblocking(False)
        monkeypatch.setattr(program.uwsgi, "connection_fd", self.uwsgi.fileno, raising=False)


def test_a_websocket_gets_the_connection_and_is_told_of_a_restart(program, monkeypatch):
    connection, said = Connection(program, monkeypatch), []

    def app(environ, start):
        channel = environ["gunicorn.socket"]
        channel.send(b"hello")
        served.streams.end()
        assert channel.recv(100) == b"bye"
        raise StopIteration

    threading.Timer(0.1, connection.nginx.sendall, [b"bye"]).start()
    served = application(program, app)
    environ = {**request(), "HTTP_UPGRADE": "WebSocket"}
    assert list(served(environ, lambda *stated: said.append(stated))) == []
    assert connection.nginx.recv(100) == b"hello\x88\x02\x03\xf4"
    assert connection.nginx.recv(100) == b"", "closed, though uWSGI still has it"
    assert said == [("101 Switching Protocols", [])]
    assert served.under_way == served.streams.open == {}


def test_an_upgrade_that_an_app_answers_as_any_request_is_left_alone(program, monkeypatch):
    connection, said = Connection(program, monkeypatch), []

    def app(environ, start):
        start("400 Bad Request", [])
        return [b"no ", b"websocket"]

    environ = {**request(), "HTTP_UPGRADE": "websocket"}
    assert list(application(program, app)(environ, lambda *stated: said.append(stated))) == [b"no websocket"]
    assert said == [("400 Bad Request", [])]
    assert not os.get_blocking(connection.uwsgi.fileno())
    connection.uwsgi.sendall(b"still open")
    assert connection.nginx.recv(100) == b"still open"


def test_a_websocket_beyond_the_slots_is_refused(program, monkeypatch):
    Connection(program, monkeypatch)
    said, served = [], application(program, None)
    served.streams.open = {1: None, 2: None}
    environ = {**request(), "HTTP_UPGRADE": "websocket"}
    assert list(served(environ, lambda *stated: said.append(stated))) == [b"too many streams\n"]
    assert said[0][0] == "503 Service Unavailable"


def test_an_upgrade_to_an_app_without_streams_is_an_ordinary_request(program, capfd):
    served = program.Application(
        lambda environ, start: [b"plain"], 5, None, program.Streams(0), program.Vassal(b"\0", 55), awake(program)
    )
    environ = {**request(), "HTTP_UPGRADE": "websocket"}
    assert list(served(environ, lambda *stated: None)) == [b"plain"]
    assert "is to become a websocket, but this app has no streams" in capfd.readouterr().err


def test_an_upgrade_that_does_not_become_a_websocket_keeps_its_deadline(program, monkeypatch):
    connection, seen = Connection(program, monkeypatch), []

    def app(environ, start):
        seen.extend(began for began, *_ in served.under_way.values())
        environ["gunicorn.socket"].send(b"101")
        seen.extend(began for began, *_ in served.under_way.values())
        raise StopIteration

    served = application(program, app)
    served({**request(), "HTTP_UPGRADE": "websocket"}, lambda *stated: None)
    assert seen[0] < float("inf") == seen[1]
    assert connection.nginx.recv(100) == b"101"


def test_a_client_that_takes_nothing_does_not_keep_others_from_being_told(program, monkeypatch):
    connection, told = Connection(program, monkeypatch), []

    def app(environ, start):
        channel = environ["gunicorn.socket"]
        channel.send(b"x")
        channel.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                program.socket.socket.send(channel, b"x" * 65536)
        channel.setblocking(True)
        served.streams.end()
        told.append(channel.told)
        with channel.lock:  # somebody is sending
            served.streams.end()
        while len(connection.nginx.recv(65536)) == 65536:
            pass
        served.streams.end()
        told.append(channel.told)
        raise StopIteration

    served = application(program, app)
    served({**request(), "HTTP_UPGRADE": "websocket"}, lambda *stated: None)
    assert told == [False, True]


def test_an_app_with_a_default_timeout_keeps_a_connection_that_waits(program, monkeypatch):
    connection = Connection(program, monkeypatch)

    def app(environ, start):
        environ["gunicorn.socket"].send(b"x")
        served.streams.end()
        assert os.get_blocking(connection.uwsgi.fileno())
        raise StopIteration

    served = application(program, app)
    socket.setdefaulttimeout(5)
    try:
        served({**request(), "HTTP_UPGRADE": "websocket"}, lambda *stated: None)
    finally:
        socket.setdefaulttimeout(None)
    assert connection.nginx.recv(100) == b"x\x88\x02\x03\xf4"


def test_an_app_that_patches_itself_in_a_process_of_threads_is_not_watched_but_told(monkeypatch, capfd):
    gevent = ModuleType("gevent.monkey")
    gevent.is_module_patched = lambda name: name == "threading"
    monkeypatch.setitem(sys.modules, "gevent.monkey", gevent)
    program = serve()
    before = threading.active_count()
    assert list(application(program, lambda environ, start: [b"x"])(request(), None)) == [b"x"]
    assert threading.active_count() == before
    assert "so none is watched; say concurrency: gevent" in capfd.readouterr().err


class Over(Exception):
    """In the place of the end of the process, or of another look."""


def test_what_outlives_the_drain_of_a_vassal_is_counted_and_cut(program, monkeypatch, capfd):
    clock, sent, told = [1000.0], [], bytearray(1)
    served = program.Application(None, 300, None, program.Streams(9), program.Vassal(told, 20), awake(program))
    served.under_way = {number: (float("inf"), number, request()) for number in (1, 2)} | {3: (990.0, 3, request())}
    served.streams.open = {1: None, 2: None}

    def sleep(seconds):
        clock[0] += seconds
        if clock[0] == 1100:
            assert not served.streams.ending
            told[0] = 1

    def kill(_pid, number):
        sent.append(number)
        raise Over

    for module, name, stand_in in (
        (program.time, "monotonic", lambda: clock[0]),
        (program.time, "sleep", sleep),
        (program.os, "kill", kill),
        (program.signal, "pthread_sigmask", lambda *_: None),
        (program.faulthandler, "dump_traceback_later", lambda *_, **__: None),
    ):
        monkeypatch.setattr(module, name, stand_in)
    with pytest.raises(Over):
        served.look()
    assert served.streams.ending and sent == [program.signal.SIGKILL] and clock[0] == 1121
    assert "20 s after its vassal was told to go (drain), 2 streams and 1 other requests" in capfd.readouterr().err


@pytest.mark.parametrize(("streams", "interval"), [(0, 0.005), (100, 0.005), (1500, 0.075)])
def test_threads_that_wait_for_pythons_lock_wake_the_less_often_the_more_there_may_be(monkeypatch, streams, interval):
    said = []
    monkeypatch.setattr(sys, "setswitchinterval", said.append)
    serve(streams=streams)
    assert said == [pytest.approx(interval)]


def test_the_master_tells_its_workers_to_go_in_memory_that_they_share(monkeypatch):
    master = Worker()
    master.register_rpc = lambda name, function: setattr(master, name, function)
    monkeypatch.setitem(sys.modules, "uwsgi", master)
    exec(compile((ROLES / "uwsgi_emperor/files/turn.py").read_text(), "turn.py", "exec"), {})
    worker = serve().Vassal(master.told_to_go, 55)
    assert not worker.is_to_go()
    if not (child := os.fork()):
        master.go()
        os._exit(0)
    os.waitpid(child, 0)
    assert worker.is_to_go() and not worker.is_over()


class Sleepy:
    """uWSGI as two workers see it, a clock, and the signals that were sent; the workers take turns with the clock."""

    def __init__(self, program, monkeypatch, folder):
        self.program, self.clock, self.answered, self.busy, self.sent = program, 1000.0, 0, [], []
        self.link = folder / "shop_uwsgi.sock"
        self.link.symlink_to("run/ab.2.sock")
        self.told, self.state = bytearray(1), bytearray(3)
        self.steps = []  # what happens while somebody waits
        uwsgi = ModuleType("uwsgi")
        uwsgi.total_requests = lambda: self.answered
        uwsgi.workers = lambda: [{"status": b"busy" if number in self.busy else b"idle"} for number in (1, 2)]
        uwsgi.masterpid = lambda: 4711
        uwsgi.opt = {"app-link": bytes(self.link), "app-socket": b"run/ab.2.sock"}
        for part in (program, program.emperor_sleep):
            monkeypatch.setattr(part, "uwsgi", uwsgi)
        monkeypatch.setattr(program.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(program.time, "sleep", self.wait)
        monkeypatch.setattr(program.os, "kill", self.kill)

    def sleep(self):
        """The sleep as another worker knows it."""
        return self.program.emperor_sleep.Sleep(60, self.state, self.program.Vassal(self.told, 55))

    def wait(self, seconds):
        self.clock += seconds
        if self.steps:
            self.steps.pop(0)()

    def kill(self, pid, number):
        """The master ends the worker that waits."""
        self.sent.append((pid, number))
        raise Over


@pytest.fixture
def sleepy(program, monkeypatch, tmp_path):
    return Sleepy(program, monkeypatch, tmp_path)


def due(sleepy, *workers, busy=()):
    """What each worker is told in a look."""
    return [worker.is_due(number in busy, sleepy.clock) for number, worker in enumerate(workers)]


def test_a_vassal_stays_awake_for_as_long_as_somebody_asks_and_all_workers_end_together(sleepy):
    workers = [sleepy.sleep(), sleepy.sleep()]
    for _ in range(3):
        assert due(sleepy, *workers) == [False, False]
        sleepy.clock += 50
        sleepy.answered += 1
    assert due(sleepy, *workers) == [False, False]
    sleepy.clock += 61
    sleepy.busy = [2]  # another one's stream, which has been open for long
    assert due(sleepy, *workers) == [False, False]
    sleepy.busy = []
    assert due(sleepy, *workers) == [True, True]


@pytest.mark.parametrize("live", ["run/ab.1.sock", None], ids=["beside the live one", "first"])
def test_a_candidate_stays_awake(sleepy, live):
    worker = sleepy.sleep()
    due(sleepy, worker)
    sleepy.link.unlink()
    if live:
        sleepy.link.symlink_to(live)
    sleepy.clock += 61
    assert due(sleepy, worker) == [False]
    sleepy.link.unlink(missing_ok=True)
    sleepy.link.symlink_to("run/ab.2.sock")
    assert due(sleepy, worker) == [True]


@pytest.mark.parametrize("ended", [False, True], ids=["under way", "answered"])
def test_a_request_that_comes_meanwhile_keeps_all_awake(sleepy, ended):
    first, second = sleepy.sleep(), sleepy.sleep()
    due(sleepy, first, second)
    sleepy.clock += 61
    assert due(sleepy, first) == [True]
    sleepy.answered += ended
    assert due(sleepy, sleepy.sleep(), second, busy=() if ended else (1,)) == [False, False]
    first.wait(1)  # it imports the app again, at once
    assert sleepy.state == bytes(3)


def test_the_master_is_told_once_all_workers_wait_and_the_next_ones_serve(sleepy, capfd):
    ending, ordered = sleepy.program.emperor_sleep.ENDING, sleepy.program.emperor_sleep.ORDERED
    sleepy.state[0] = ending
    sleepy.steps = [lambda: None, lambda: sleepy.state.__setitem__(2, 1)]
    with pytest.raises(Over):
        sleepy.sleep().wait(1)
    assert sleepy.sent == [(4711, sleepy.program.emperor_sleep.ORDER)] and sleepy.state == bytes([ordered, 1, 1])
    assert "no request for 60 s: the app sleeps until the next one" in capfd.readouterr().err
    sleepy.sleep().wait(2)
    sleepy.sleep().wait(1)
    assert sleepy.state == bytes(3) and len(sleepy.sent) == 1


def test_a_worker_waits_for_its_end_once_the_master_is_told(sleepy):
    sleepy.state[:] = bytes([sleepy.program.emperor_sleep.ENDING, 0, 0])

    def tell():
        sleepy.state[0] = sleepy.program.emperor_sleep.ORDERED

    def end():
        raise Over

    sleepy.steps = [tell, *[lambda: None] * 200, end]
    with pytest.raises(Over):
        sleepy.sleep().wait(2)
    assert sleepy.state[0] == sleepy.program.emperor_sleep.ORDERED


def test_workers_that_do_not_end_together_go_on(sleepy):
    sleepy.state[0] = sleepy.program.emperor_sleep.ENDING
    sleepy.sleep().wait(1)
    assert sleepy.state == bytes(3) and sleepy.sent == [] and 10 <= sleepy.clock - 1000 < 12


def test_a_worker_that_waits_ends_with_its_vassal(sleepy, monkeypatch):
    def end(_status):
        raise Over

    monkeypatch.setattr(sleepy.program.os, "_exit", end)
    sleepy.state[0] = sleepy.program.emperor_sleep.ENDING
    sleepy.told[0] = 1
    with pytest.raises(Over):
        sleepy.sleep().wait(2)


@pytest.mark.parametrize(
    ("until", "done"), [(66, ["SIGHUP"]), (70, ["SIGHUP", "exit 0"])], ids=["in time", "a thread that never ends"]
)
def test_the_look_that_is_due_ends_the_worker_once_as_a_release_does(sleepy, monkeypatch, until, done):
    program, looks = sleepy.program, count(1)
    served = program.Application(None, 5, None, program.Streams(9), program.Vassal(b"\0", 55), sleepy.sleep())
    monkeypatch.setattr(program.signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(program.faulthandler, "dump_traceback_later", lambda *_, **__: None)

    def leave(status):
        sleepy.sent.append(f"exit {status}")
        raise Over

    def wait(seconds):
        sleepy.clock += seconds
        if next(looks) > until:
            raise Over

    monkeypatch.setattr(
        program.os, "kill", lambda _pid, number: sleepy.sent.append(program.signal.Signals(number).name)
    )
    monkeypatch.setattr(program.os, "_exit", leave)
    monkeypatch.setattr(program.time, "sleep", wait)
    with pytest.raises(Over):
        served.look()
    assert sleepy.sent == done and served.streams.ending


@pytest.mark.parametrize(
    ("stuck_for", "others", "signals"),
    [(99, 0, ["SIGHUP", "SIGKILL"]), (99, 1, ["SIGHUP"] + ["SIGKILL"]), (6.5, 1, ["SIGHUP", "SIGKILL"]), (3, 1, [])],
    ids=["alone", "beside others", "and ends by itself beside a silent stream", "not over the limit"],
)
def test_a_worker_ends_after_its_mercy_and_never_in_the_look_that_told_it_to_leave(
    program, monkeypatch, stuck_for, others, signals
):
    clock, sent, looks = [1000.0], [], []
    served = program.Application(
        None, 5, os.memfd_create("turn"), program.Streams(0), program.Vassal(b"\0", 55), awake(program)
    )
    frames = {7: sys._getframe(), 8: sys._getframe()}
    served.under_way = {8: (float("inf"), 8, request())} if others else {}
    served.under_way[7] = 1000.0, 7, request()

    def sleep(seconds):
        clock[0] += seconds
        looks.append(list(sent))
        if clock[0] - 1000 > stuck_for:
            served.under_way.pop(7, None)
        if clock[0] > 1060:
            raise Over

    def kill(_pid, number):
        sent.append(program.signal.Signals(number).name)
        if sent[-1] == "SIGKILL":
            raise Over

    monkeypatch.setattr(program.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(program.time, "sleep", sleep)
    monkeypatch.setattr(program.os, "kill", kill)
    monkeypatch.setattr(program.sys, "_current_frames", lambda: frames)
    monkeypatch.setattr(program.signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(program.faulthandler, "dump_traceback_later", lambda *_, **__: None)
    with pytest.raises(Over):
        served.look()
    assert sent == signals
    if signals:
        assert ["SIGHUP"] in looks, "a whole look lies between the two"
    if others and signals:
        assert clock[0] - 1000 > program.MERCY
