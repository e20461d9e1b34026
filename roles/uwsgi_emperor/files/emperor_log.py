# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""The lines of an app's log: each carries its time, the release that wrote it, and the request that it was written for.

``2026-11-30T05:12:58+0000 0f0eb9965580.1 4f2a9c… text``, with ``-`` outside of any request. A line that is an object of JSON gets them as its
first members, so it stays one: ``time``, ``release`` and ``request_id``.
"""

import contextlib
import io
import json
import os
import sys
import threading
import time

RELEASE = os.environ.get("EMPEROR_VASSAL", "-")  # vassal-exec sets it
LONGEST = 65536  # characters of a line that has not ended: what is longer is written in parts

here = threading.local()  # of a thread or greenlet: .request, the id of the request that it works for


def now():
    """The time, as uWSGI's own lines have it (log-date in uwsgi.ini)."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


def marked(line):
    """A line with its time, release and request."""
    request = getattr(here, "request", "") or "-"
    if line.startswith('{"') and line.endswith("}"):
        marks = json.dumps({"time": now(), "release": RELEASE, "request_id": request})
        return f"{marks[:-1]}, {line[1:]}\n"
    return f"{now()} {RELEASE} {request} {line}\n"


def say(descriptor, text):
    """Write lines to a file descriptor, all at once: lines of two threads or workers do not mix."""
    data = "".join(map(marked, text.split("\n"))).encode(errors="backslashreplace")
    with contextlib.suppress(OSError):  # the disk is full
        os.write(descriptor, data)


class Lines(io.TextIOBase):
    """Takes the place of sys.stdout or sys.stderr. Line by line: a line's parts are kept, for each thread, until it ends or is flushed."""

    def __init__(self, stream):
        self.stream, self.descriptor, self.begun = stream, stream.fileno(), threading.local()

    def __getattr__(self, name):  # buffer, reconfigure and what else apps use
        return getattr(self.stream, name)

    @property
    def encoding(self):
        return self.stream.encoding

    @property
    def errors(self):
        return self.stream.errors

    def fileno(self):
        return self.descriptor

    def writable(self):
        return True

    def write(self, text):
        before = getattr(self.begun, "text", "")
        ended, newline, rest = (before + text).rpartition("\n")
        if len(rest) > LONGEST:
            ended, newline, rest = ended + newline + rest, "\n", ""
        self.begun.text = rest
        if newline:
            say(self.descriptor, ended)
        return len(text)

    def flush(self):
        if rest := getattr(self.begun, "text", ""):
            self.begun.text = ""
            say(self.descriptor, rest)


def mark():
    """Let what the app prints and logs be marked."""
    sys.stdout, sys.stderr = Lines(sys.stdout), Lines(sys.stderr)


def unmark():
    """Take that back: an import has failed, and what uWSGI prints of it is for the run that waits for it."""
    sys.stdout, sys.stderr = (getattr(stream, "stream", stream) for stream in (sys.stdout, sys.stderr))
    sys.excepthook = write_whole


def write_whole(kind, error, trace):
    """Write a traceback all at once: each worker imports the app, and the lines of two that fail together would mix."""
    with contextlib.redirect_stderr(io.StringIO()) as text:
        sys.__excepthook__(kind, error, trace)
    with contextlib.suppress(OSError):  # the disk is full
        os.write(sys.stderr.fileno(), text.getvalue().encode(errors="backslashreplace"))
