# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app has logged: its web processes to their files or to the journal, its Emperor to a file, its workers and timers to the journal.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it. The folder of
the logs is root's, so an app puts nothing else in their place; what the lines say is the app's, and reaches the terminal without control characters.
"""

from __future__ import annotations

import contextlib
import gzip
import heapq
import io
import json
import os
import re
import subprocess
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any, Callable, cast

from . import box, moments

LOGS = "/var/log/uwsgi"
LAST = 100  # lines that are shown where no time is asked for
LONGEST = 2**16  # bytes of a line; a longer one is shown in parts
END = 2**20  # bytes of a log's end that are read for its last lines
ENTRY = 2**20  # bytes of an entry of the journal; a longer one is left out
STAMP = re.compile(rf'(?:\{{"time": ")?({moments.STAMP})')
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

Line = tuple[float, str]  # seconds since the epoch, and the text


class NoTime(Exception):
    """The text names no time."""


def moment(text: str) -> float:
    """The moment, in seconds since the epoch, that a text such as ``1 hour ago`` or ``2026-11-30 05:00`` names to date(1); a day alone is its beginning."""
    text += " 00:00" if text in ("today", "yesterday") else ""
    asked = subprocess.run(
        ["date", f"--date={text}", "+%s"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False
    )
    if asked.returncode or not text.strip():
        raise NoTime(f"'{text}' is not a time that date(1) knows; write one such as '1 hour ago' or '2026-11-30 05:00'")
    return float(asked.stdout)


def since(app: str, begin: float) -> Iterator[str]:
    """What was logged since a moment, in the order of time."""
    files = [_of_file(paths, begin) for paths in _rotations(app).values()]
    for _time, text in heapq.merge(_of_journal(app, [f"--since=@{begin:.0f}"]), *files, key=lambda line: line[0]):
        yield text


def last(app: str) -> Iterator[str]:
    """The last lines."""
    sources = [_of_journal(app, [f"--lines={LAST}"]), *(_end_of(path) for path in _files(app))]
    ends = [line for source in sources for line in deque(source, maxlen=LAST)]
    yield from (text for _time, text in sorted(ends, key=lambda line: line[0])[-LAST:])


def follow(app: str, show: Callable[[str], None]) -> None:
    """Show the last lines and then each as it is logged, until the process is interrupted."""
    for line in last(app):
        show(line)
    tail = ["tail", "--quiet", "--follow=name", "--retry", "--lines=0", *_files(app)]
    over = threading.Event()

    def read(lines: Iterable[Line]) -> None:
        try:
            for _time, text in lines:
                show(text)
        except BrokenPipeError:  # nobody reads any more
            pass
        finally:
            over.set()

    with _program(tail) as files, _program(_asked(app, ["--follow", "--lines=0"])) as journal:
        for lines in (_stamped(_lines(files)), _entries(journal)):
            threading.Thread(target=read, args=[lines], daemon=True).start()
        over.wait()


def _files(app: str) -> list[str]:
    return [f"{LOGS}/{app}/{app}_uwsgi.log", f"{LOGS}/{app}/emperor.log"]


def _rotations(app: str) -> dict[str, list[str]]:
    """By log, its files, the oldest first."""
    found: dict[str, list[str]] = {}
    for path in _files(app):
        folder, name = os.path.split(path)
        numbers = {0: path} if os.path.exists(path) else {}
        for other in os.listdir(folder) if os.path.isdir(folder) else []:
            if rotated := re.fullmatch(rf"{re.escape(name)}\.(\d+)(?:\.gz)?", other):
                numbers[int(rotated.group(1))] = os.path.join(folder, other)
        found[path] = [numbers[number] for number in sorted(numbers, reverse=True)]
    return found


def _of_file(paths: list[str], begin: float) -> Iterator[Line]:
    """The lines of a log since a moment. A file that was changed last before it has none.

    Rotated ones are the app's, and one may be renamed or compressed just now: what cannot be read is said.
    """
    for path in paths:
        try:
            if os.stat(path).st_mtime < begin:
                continue
            with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as stream:
                yield from (line for line in _stamped(_lines(cast(IO[bytes], stream))) if line[0] >= begin)
        except (OSError, EOFError, zlib.error) as error:
            yield begin, f"flask-app: the rest of {path} is left out: {error}"


def _end_of(path: str) -> Iterator[Line]:
    """The lines at the end of a log."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, size - END))
        if size > END:
            stream.readline(END)
        yield from _stamped(_lines(io.BytesIO(stream.read(END))))


def _of_journal(app: str, how: list[str]) -> Iterator[Line]:
    """What the units in the app's slice have logged, and what systemd says of its Emperor, marked with who said it."""
    with _program(_asked(app, how)) as journal:
        yield from _entries(journal)


def _asked(app: str, how: list[str]) -> list[str]:
    """The journalctl for an app. What has an underscore in front nobody but journald can state."""
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER", *how]
    return [*argv, f"_SYSTEMD_SLICE={box.slice_of(app)}", "+", "_PID=1", f"UNIT=uwsgi-emperor@{app}.service"]


def _entries(journal: IO[bytes]) -> Iterator[Line]:
    """The lines of journalctl's entries; what is no entry, or a very long one, is left out."""
    whole = True
    while text := journal.readline(ENTRY):
        before, whole = whole, text.endswith(b"\n")
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            entry: dict[str, Any] = json.loads(text if before and whole else b"")
            seconds = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            for line in _message(entry.get("MESSAGE")).splitlines():
                if not STAMP.match(line):  # what the web processes say has its own
                    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
                    line = f"{stamp} {entry.get('SYSLOG_IDENTIFIER', '-')} {line}"
                yield seconds, shown(line)


def _message(said: Any) -> str:
    """A message as journalctl writes it: what is no text as the numbers of its bytes, one that was said twice as both, one that is too long not at all."""
    if isinstance(said, list):
        return (
            bytes(said).decode(errors="replace")
            if all(isinstance(part, int) for part in said)
            else "\n".join(map(_message, said))
        )
    return str(said or "")


def _stamped(lines: Iterable[str]) -> Iterator[Line]:
    """Lines with the moment that each names; one that names none, as of a traceback, is of the moment of the one before."""
    seconds = 0.0
    for line in lines:
        if found := STAMP.match(line):
            named = moments.seconds(found.group(1))
            seconds = seconds if named is None else named
        yield seconds, line


@contextlib.contextmanager
def _program(argv: list[str]) -> Iterator[IO[bytes]]:
    """What a program prints; it is ended with the block."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        try:
            yield cast(IO[bytes], program.stdout)
        finally:
            program.kill()


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """The lines of a stream of bytes."""
    while line := stream.readline(LONGEST):
        yield shown(line.decode(errors="replace").rstrip("\n"))


def shown(line: str) -> str:
    """A line without what a terminal would obey."""
    return CONTROL.sub("?", line)
