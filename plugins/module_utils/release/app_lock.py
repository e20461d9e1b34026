# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One release of an app at a time: a lock that names its owner.

While a step runs, its process holds flock(2) on the app's lock file. Between two steps of a play the file's text says whose the
lock is and until when. The same controller takes a lock over at once when the process that took it is dead, and kills what that
process left running on the host; anybody else waits until the time is over, or is told whom to ask.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

LEASE = 600  # seconds a lock outlives a step: the next one may have to wait for other hosts
PATIENCE = 10  # seconds a killed step may take to let the lock go

Owner = dict[str, Any]  # keys: token (tells processes apart, on one machine and between them), name (for people)


class Taken(Refusal):
    """Somebody else has the lock; ``holder`` is what its file says."""

    def __init__(self, message: str, holder: Owner) -> None:
        super().__init__(message)
        self.holder = holder


@contextlib.contextmanager
def held(path: str, owner: Owner, dead: list[str]) -> Iterator[None]:
    """Hold the lock for a step, and keep it for the owner's next one; raises Taken where somebody else has it.

    ``dead`` are the tokens of holders whose processes are known not to run any more.
    """
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with open(path, "a+", encoding="utf-8") as stream:
        _seize(stream, dead)
        now = _valid(_read(stream))
        if now and now["token"] not in (owner["token"], *dead):
            raise _taken(now)
        since = now.get("since", time.time()) if now and now["token"] == owner["token"] else time.time()
        _write(stream, {**owner, "since": since, "until": time.time() + LEASE, "step": os.getpid()})
        try:
            yield
        finally:
            _write(stream, {**owner, "since": since, "until": time.time() + LEASE, "step": None})


def free(path: str) -> None:
    """Let the lock go; to be called by its holder."""
    with contextlib.suppress(FileNotFoundError), open(path, "r+", encoding="utf-8") as stream:
        stream.truncate()


def _seize(stream: Any, dead: list[str]) -> None:
    """Take the flock. A step of a dead owner that still runs is killed; anybody else's is not disturbed."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            now = _parsed(_read(stream)) or {"token": "", "name": "somebody", "since": time.time()}
            if now["token"] not in dead or time.monotonic() > deadline:
                raise _taken(now) from None
            if now.get("step"):
                kill_tree(now["step"])
            time.sleep(0.1)


def _taken(now: Owner) -> Taken:
    began = time.strftime("%H:%M:%S", time.localtime(now["since"]))
    left = max(int(now.get("until", 0) - time.time()), 0)
    return Taken(
        f"{now['name']} is releasing it, since {began} by the host's clock; wait until that is done and run again "
        f"(if it died on another controller, its lock ends in {left} seconds)",
        now,
    )


def kill_tree(pid: int) -> None:
    """Kill a process and everything it started."""
    children: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as stream:
            parent = int(stream.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    doomed = [pid]
    for process in doomed:
        doomed += children.get(process, [])
    for process in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _read(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read())


def _write(stream: Any, content: Owner) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(content))
    stream.flush()


def _parsed(text: str) -> Owner:
    """A lock's text; one that was cut off, by a power failure say, is nobody's."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return {}


def _valid(text: str) -> Owner:
    now = _parsed(text)
    return now if now.get("until", 0) > time.time() else {}
