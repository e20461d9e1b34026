# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""What every vassal serves: the app that its uwsgi.ini names, with a deadline for each request and an answer whatever it read.

uWSGI has one deadline for a worker, and any request that ends clears it for all. So a thread of each worker looks every second at
how long each request takes. One that is over the limit is logged, with where it is stuck; its worker takes no more requests, lets the
others finish and ends, one worker after another. A thread that keeps the GIL (C code) stops the watch too: then faulthandler, which
needs no GIL, says where each thread is and ends the worker with all that it had in hand.

With gevent (concurrency: gevent) requests and the watch are greenlets, and code that does not let others run is seen as what keeps the GIL.

Event streams and websockets have no deadline, but a number that may be open; when their vassal or worker is to go, each is told and ends.
What has not ended when its vassal's time is over is cut, and counted in the log.

A vassal that nobody asks may sleep (idle): its workers end, with the app's memory, and its master has new ones when the next request comes.
"""

import _socket
import contextlib
import faulthandler
import fcntl
import functools
import os
import random
import signal
import socket
import sys
import threading
import time
import traceback

import uwsgi

sys.path.insert(0, "/usr/local/lib/uwsgi")
import emperor_log
import emperor_sleep

del sys.path[0]

TICK = 1  # seconds between two looks
MERCY = 30  # seconds that the other requests of a worker that is to end have, as worker-reload-mercy says
AGAIN = 5  # seconds until a worker that could not import the app is replaced, while others serve
LAST = 5  # seconds that a worker which ends for a sleep has for what an app does at its end, or for a thread of the app's that never ends
CHUNK = 65536  # bytes of a body that are read at once
EVENTS = "text/event-stream"
# For an event stream, where the app says nothing else: nginx passes on each event at once, and no cache keeps any.
FOR_EVENTS = {"x-accel-buffering": ("X-Accel-Buffering", "no"), "cache-control": ("Cache-Control", "no-cache")}
RETRY = (
    500,
    3000,
)  # milliseconds after which browsers are to come back to a stream that ends for a release, all at different times
RESTARTS = b"\x88\x02\x03\xf4"  # a websocket's close frame: 1012, service restart
LINE = (
    socket.AF_UNIX,
    socket.SOCK_STREAM | socket.SOCK_NONBLOCK,
    0,
)  # as if made so: else the app's default timeout would make the connection so
FULL = "503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "5")]
# Seconds for each stream: a thread that waits for Python's lock wakes at this interval to ask for it. At Python's own, 5 ms, hundreds that wait
# at once keep a processor busy with nothing else, and on a busy machine no stream gets on any more.
WAKE = 50e-6
STDERR = 2  # uWSGI's log, whatever the app has made of sys.stderr


def say(text):
    """Write lines to the vassal's log."""
    emperor_log.say(STDERR, text)


def named(environ):
    """A request as the log has it: method, path and request id."""
    asked = (environ.get(name, "") for name in ("REQUEST_METHOD", "REQUEST_URI", "HTTP_X_REQUEST_ID"))
    return "request {} {} ({})".format(*(ascii(part)[1:-1] for part in asked))


def drain(body):
    """Read what is left of a body: nginx says 502 when its peer goes before it has sent everything."""
    with contextlib.suppress(OSError):  # the client has gone
        while body.read(CHUNK):
            pass


def shut(parts):
    """Close what an app has returned, if that can be closed."""
    close = getattr(parts, "close", None)
    if close:
        close()


class Answer:
    """What the app returned, until uWSGI closes it: that is the end of the request. Iterated without a step of our own where nothing is to be done."""

    def __init__(self, parts, body, end, ending=None):
        """``body`` is the request's, if it has one; ``ending`` tells of a stream whether it is to end."""
        self.parts, self.body, self.end, self.ending = parts, body, end, ending

    def __iter__(self):
        return iter(self.parts) if self.body is None and self.ending is None else self._step_by_step()

    def _step_by_step(self):
        # By its first part the app has read what it wants. nginx sends no more of a body once it has an answer.
        for part in self.parts:
            if self.body is not None:
                drain(self.body)
            yield part
            if self.ending and part.endswith(b"\n\n") and self.ending():
                yield b"retry: %d\n\n" % random.randint(*RETRY)
                return
        if self.body is not None:
            drain(self.body)

    def close(self):
        try:
            shut(self.parts)
        finally:
            self.end()


class Channel(socket.socket):
    """The connection to nginx, for libraries that speak the websocket's protocol themselves (simple-websocket takes it for gunicorn's)."""

    def __init__(self, begun):
        """``begun`` is called when the library begins to use it."""
        super().__init__(fileno=os.dup(uwsgi.connection_fd()))
        self.setblocking(True)  # uWSGI's own, which is the same to the kernel, waits by poll(2)
        self.lock, self.begun, self.used, self.told = threading.Lock(), begun, False, False

    def send(self, data, *flags):
        with self.lock:  # a frame is written whole
            if not self.used:
                self.used = True
                self.begun()
            left = memoryview(data)
            while left:
                left = left[super().send(left, *flags) :]
        return len(data)

    def sendall(self, data, *flags):
        self.send(data, *flags)

    def tell(self):
        """Tell the client once that this server restarts; its answer lets the library come to an end.

        Whoever does not take what is sent is not waited for: neither is another thread that has begun to send. The next look tries again.
        """
        if self.told or not self.used or not self.lock.acquire(blocking=False):
            return
        try:
            with contextlib.suppress(OSError), contextlib.closing(_socket.socket(*LINE, os.dup(self.fileno()))) as line:
                line.send(RESTARTS, socket.MSG_DONTWAIT)
                self.told = True
        finally:
            self.lock.release()

    def close(self):
        """Close it, and uWSGI's side of it where the library has used it: nginx would wait for more else. Otherwise uWSGI goes on with it."""
        with contextlib.suppress(OSError):  # it is closed already
            if self.used:
                self.shutdown(socket.SHUT_RDWR)
            else:
                self.setblocking(False)
        super().close()


class File:
    """A file that uWSGI sends by itself (wsgi.file_wrapper). How long that takes is its client's affair: it is not over any limit."""

    def __init__(self, file, end):
        self.file, self.end = file, end

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __iter__(self):  # where the app sends a part of it: a library may seek in what it iterates over
        return self

    def __next__(self):
        part = self.file.read(CHUNK)
        if not part:
            raise StopIteration
        return part

    def close(self):
        try:
            shut(self.file)
        finally:
            self.end()


class Streams:
    """The event streams and websockets of a worker, at most ``most``."""

    def __init__(self, most):
        self.most = most
        self.open, self.lock, self.ending, self.warned = {}, threading.Lock(), False, False

    def enter(self, number, channel=None):
        """Take a slot, if there is one."""
        with self.lock:
            if len(self.open) >= self.most:
                return False
            self.open[number] = channel
            return True

    def warn(self, environ, what):
        """Say once that the inventory has no slots for streams."""
        if not self.warned:
            self.warned = True
            say(
                f"{named(environ)} is {what}, but this app has no streams; say streams: N in the inventory, the number that a process may have open"
            )

    def end(self, ending=True):
        """Let all streams end, those too that have begun since."""
        self.ending = ending
        for channel in list(self.open.values()) if ending else []:
            if channel:
                channel.tell()


class Vassal:
    """The vassal of this worker; ``drain`` are the seconds that it has once it is to go: removed, or ended with its Emperor."""

    def __init__(self, told, drain):
        """``told`` is the memory in which its master says that it is to go."""
        self.told, self.drain, self.since = told, drain, None

    def is_to_go(self):
        """Tell whether its Emperor has told it to go."""
        if self.told[0] and self.since is None:
            self.since = time.monotonic()
        return bool(self.told[0])

    def is_over(self):
        """Tell whether that was so long ago that nothing of it may be left."""
        return self.is_to_go() and time.monotonic() - self.since > self.drain


class Application:
    """The app, as uWSGI calls it."""

    def __init__(self, app, limit, turn, streams, vassal, sleep):
        """``limit`` is in seconds; ``turn`` is a file whose lock the worker holds that is to end."""
        self.app, self.limit, self.turn, self.streams, self.vassal, self.sleep = (
            app,
            limit,
            turn,
            streams,
            vassal,
            sleep,
        )
        self.under_way = {}  # the requests: since when, in which thread, and what was asked
        self.watch, self.starting = None, threading.Lock()

    def __call__(self, environ, start_response):
        if self.watch is None:  # in the worker: no thread survives the fork of a preloaded app
            self.start()
        emperor_log.here.request = environ.get("HTTP_X_REQUEST_ID")
        environ["wsgi.errors"] = sys.stderr
        thread, number = current(), id(environ)
        self.under_way[number] = time.monotonic(), thread, environ
        end = functools.partial(self.end, number)
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            if self.streams.most:
                return self.websocket(environ, start_response, number)
            self.streams.warn(environ, "to become a websocket")
        if send := environ.get("wsgi.file_wrapper"):
            environ["wsgi.file_wrapper"] = lambda file, size=CHUNK: send(File(file, end), size)
        body = environ["wsgi.input"] if environ.get("CONTENT_LENGTH", "") not in ("", "0") else None
        ending = refused = None

        def begin(status, headers, *error):
            nonlocal ending, refused
            if status[0] == "5":
                uwsgi.set_logvar("when", emperor_log.now())  # for uWSGI's line
            said = {name.lower(): value for name, value in headers}
            if said.get("content-type", "").startswith(EVENTS):
                if not self.streams.most:
                    self.streams.warn(environ, "answered with an event stream")
                elif self.streams.enter(number):
                    self.under_way[number] = float("inf"), thread, environ
                    ending = self.to_end
                    headers = [*headers, *(header for name, header in FOR_EVENTS.items() if name not in said)]
                else:
                    refused = True
                    return start_response(*FULL, *error)
            return start_response(status, headers, *error)

        try:
            parts = self.app(environ, begin)
            if refused:
                shut(parts)
                parts = [b"too many streams\n"]
            if isinstance(parts, File):
                self.under_way[number] = float("inf"), thread, environ
                if body is not None:
                    drain(body)
                return parts
        except BaseException:
            uwsgi.set_logvar("when", emperor_log.now())
            if body is not None:
                drain(body)
            end()
            raise
        return Answer([parts] if isinstance(parts, bytes) else parts, body, end, ending)

    def websocket(self, environ, start_response, number):
        """Call the app with the connection itself, which it keeps until the websocket ends."""
        thread = current()

        def begun():
            """From now on it is a websocket, and has no deadline."""
            self.under_way[number] = float("inf"), thread, environ

        channel, parts = Channel(begun), None
        environ["gunicorn.socket"] = channel
        try:
            if not self.streams.enter(number, channel):
                start_response(*FULL)
                return [b"too many streams\n"]
            parts = self.app(environ, start_response)
            return [b"".join(parts)]
        except StopIteration:  # flask-sock and Socket.IO: it has ended
            return []
        finally:
            shut(parts)
            channel.close()
            if channel.used:
                start_response("101 Switching Protocols", [])  # for the log
            self.end(number)

    def end(self, number):
        """A request has ended."""
        self.under_way.pop(number, None)
        self.streams.open.pop(number, None)

    def to_end(self):
        """Tell whether streams are to end."""
        return self.streams.ending

    def start(self):
        """Start the watch of this worker, once."""
        with self.starting:
            if self.watch is None:
                self.watch = threading.Thread(target=self.look, name="emperor-watch", daemon=True)
                if is_patched() and not greenlets:  # nothing would ever switch to it
                    say(
                        "the app has let gevent replace threads, but its requests run in threads, so none is watched; say concurrency: gevent"
                    )
                else:
                    self.watch.start()

    def look(self):
        """Watch the requests, for as long as the worker lives."""
        if not greenlets:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for uWSGI's threads
        said, leaving, resting = set(), None, None
        while True:
            faulthandler.dump_traceback_later(self.limit + TICK, exit=True, file=STDERR)
            time.sleep(TICK)
            requests = list(self.under_way.items())
            now, frames = time.monotonic(), frames_of(requests)
            # One whose thread is in no Python code is being sent to its client, which socket-timeout is for.
            over = [one for one in requests if now - one[1][0] > self.limit and one[1][1] in frames]
            if over and leaving is None and self.has_turn():
                leaving = now
                os.kill(os.getpid(), signal.SIGHUP)  # uWSGI: take no more requests, and end once these are answered
            if leaving is None and self.sleep.is_due(bool(requests), now) and resting is None:
                resting = now
                os.kill(os.getpid(), signal.SIGHUP)
            if resting and not requests and now - resting > LAST:
                os._exit(0)  # killed, it would be counted with those that are stuck
            self.streams.end(bool(leaving or resting) or self.vassal.is_to_go())
            if self.vassal.is_over() and requests:
                say(
                    f"worker {uwsgi.worker_id()} (process {os.getpid()}) is killed: {self.vassal.drain} s after its vassal was told to go (drain), "
                    f"{len(self.streams.open)} streams and {len(requests) - len(self.streams.open)} other requests have not ended"
                )
                os.kill(os.getpid(), signal.SIGKILL)
            if leaving is None:
                continue
            for number, (began, thread, environ) in over:
                if number not in said:
                    said.add(number)
                    self.tell(frames[thread], now - began, environ)
            others = len(requests) - len(over)
            # Not in the look that told uWSGI: what it had accepted by then is seen by the next.
            if now > leaving and ((over and not others) or now - leaving > MERCY):
                say(
                    f"worker {uwsgi.worker_id()} (process {os.getpid()}) is killed; {others} other requests are lost with it"
                )
                os.kill(os.getpid(), signal.SIGKILL)

    def has_turn(self):
        """Take the turn, if no other worker has it; the kernel frees it when this one has ended."""
        try:
            fcntl.lockf(self.turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def tell(self, frame, seconds, environ):
        """Log a request that is over the limit, and where it is stuck."""
        where = "".join(traceback.format_stack(frame)).rstrip()
        say(
            f"{named(environ)} takes longer than harakiri, {self.limit} s ({seconds:.0f} s so far): its worker {uwsgi.worker_id()} "
            f"(process {os.getpid()}) takes no more, and ends once its other requests are answered. It is here:\n{where}"
        )


def is_patched():
    """Tell whether gevent has replaced threads, the watch's too."""
    monkey = sys.modules.get("gevent.monkey")
    return bool(monkey and monkey.is_module_patched("threading"))


def frames_of(requests):
    """Where each thread is, or each greenlet that has a request; one that is in no Python code is left out."""
    if not greenlets:
        return sys._current_frames()
    return {running[1]: running[1].gr_frame for _number, running in requests if running[1].gr_frame}


def load(module):
    """The app, named in uWSGI's notation: ``package.module:app``, or ``package.module:create_app()`` to call a factory."""
    path, _colon, name = module.partition(":")
    __import__(path)  # its traceback has no frames of importlib
    found = getattr(sys.modules[path], name.partition("(")[0] or "application")
    return found() if name.endswith("()") else found


def loaded(module):
    """The app. A worker that cannot import it goes on trying where others serve: need-app would end them."""
    try:
        return load(module)
    except BaseException:
        worker = uwsgi.worker_id()
        if not worker or not any(one["requests"] or one["respawn_count"] for one in uwsgi.workers()):
            emperor_log.unmark()
            raise
        say(f"worker {worker} cannot import {module}; it is replaced in {AGAIN} s\n{traceback.format_exc().rstrip()}")
        time.sleep(AGAIN)
        os._exit(1)


# What earlier versions of uwsgi.ini do not state has a default: their workers may begin anew with this file.
vassal = Vassal(getattr(uwsgi, "told_to_go", b"\0"), int(uwsgi.opt.get("app-drain", b"55")))
slots = Streams(int(uwsgi.opt.get("app-streams", b"0")))
sleep = emperor_sleep.Sleep(int(uwsgi.opt.get("app-idle", b"0")), getattr(uwsgi, "asleep", None), vassal)
sleep.wait(uwsgi.worker_id())
emperor_log.mark()
app = loaded(uwsgi.opt["app-module"].decode())
greenlets = is_patched() and "gevent" in uwsgi.opt  # the app may patch by itself, in a process of threads too
current = sys.modules["greenlet"].getcurrent if greenlets else threading.get_ident
if not greenlets:
    sys.setswitchinterval(max(sys.getswitchinterval(), slots.most * WAKE))
application = Application(app, int(uwsgi.opt["app-limit"]), uwsgi.turn, slots, vassal, sleep)
if sleep.after and uwsgi.worker_id():
    application.start()  # one that gets no request is to sleep with the others
