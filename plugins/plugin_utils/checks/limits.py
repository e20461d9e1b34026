# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an app may take of a machine: whether that is well-formed, fits the app itself, and fits the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

App = dict[str, Any]
Host = dict[str, Any]

SIZE = re.compile(r"(\d+)([MG])")
PERCENT = re.compile(r"(\d+)%")
BODY = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)  # in nginx's notation
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}
LEAST = {"memory": 2**26, "log": 2**20}  # bytes: what two small apps need to start; a log worth the name
FEWEST_FILES = 256  # beside a socket for each thread there are modules, logs and libraries
MOST_FILES = 524288  # LimitNOFILE of the Emperors' unit
STREAM = 48 * 2**10  # bytes: what an open stream takes, a websocket most
NAMED = 3  # apps that a warning names
SPARE_TASKS = 32  # for hooks and commands beside two releases


def size(text: str) -> int:
    """Bytes of a size such as 512M; it must be well-formed."""
    number, unit = cast("re.Match[str]", SIZE.fullmatch(text)).groups()
    return int(number) * UNITS[unit]


def on_machine(app: App, host: Host) -> App:
    """The app with limits as systemd writes them for this machine."""
    limits = app["limits"]
    return {**app, "limits": {**limits, "cpu": limits["cpu"] or "", "tasks": _tasks(app, host)}}


def _tasks(app: App, host: Host) -> int:
    return app["limits"]["tasks"] or max(1024, 4 * _tasks_of_a_release(app, host))


def _tasks_of_a_release(app: App, host: Host) -> int:
    """Beside the threads that take requests: the watch of requests and faulthandler's, in each process, and the master.

    With gevent they are fewer, but the release before may have had threads, and shares the limit until it has ended.
    """
    return int((app["processes"] or host["cpus"]) * (app["threads"] + app["streams"] + 2) + 1)


def mistakes(app: App) -> Iterator[str]:
    """What is wrong with the limits and timeouts, whatever the machine."""
    for key, seconds in app["timeouts"].items():
        if isinstance(seconds, bool) or seconds < 1:
            yield f"timeouts.{key} is {seconds}; it must be a number of seconds, at least 1"
    limits = app["limits"]
    if not SIZE.fullmatch(limits["memory"]) and not 1 <= _percent(limits["memory"]) <= 100:
        yield f"limits.memory is '{limits['memory']}'; write a size such as 512M or 2G, or a part of the machine's memory such as 50%"
    if limits["cpu"] is not None and not _percent(limits["cpu"]):
        yield f"limits.cpu is '{limits['cpu']}'; write how much of a processor, such as 50%, or 150% for one and a half"
    if not SIZE.fullmatch(limits["log"]):
        yield f"limits.log is '{limits['log']}'; write a size such as 512M or 2G"
        return
    for key, least in LEAST.items():
        if SIZE.fullmatch(limits[key]) and size(limits[key]) < least:
            yield f"limits.{key} is {limits[key]}; it must be at least {least // 2**20}M"
    fewest = FEWEST_FILES + app["threads"] + 2 * app["streams"]  # a websocket has two descriptors
    fewest += 1000 if app["concurrency"] == "gevent" else 0  # as many more requests as uwsgi.ini has slots for
    if not fewest <= limits["files"] <= MOST_FILES:
        yield f"limits.files is {limits['files']}; for {_threads(app)} it must be from {fewest} to {MOST_FILES}"
    body = BODY.fullmatch(app["client_max_body_size"])
    if body and int(body.group(1)) * UNITS[body.group(2).upper()] > size(limits["log"]):
        yield (
            f"limits.log is {limits['log']}, less than client_max_body_size {app['client_max_body_size']}: such an upload could not be written; "
            "raise limits.log, which is the largest file that the app may write"
        )


def refusals(app: App, host: Host) -> Iterator[str]:
    """Why the limits do not fit this machine."""
    limits = app["limits"]
    if SIZE.fullmatch(limits["memory"]) and size(limits["memory"]) > host["memory"]:
        yield f"limits.memory is {limits['memory']}, but the machine has {host['memory'] // 2**20}M; lower it"
    streams = 2 * (app["processes"] or host["cpus"]) * app["streams"]
    memory = _memory(limits["memory"], host)
    if memory and streams * STREAM > memory:
        yield (
            f"streams is {app['streams']}, and limits.memory is {limits['memory']}: two releases beside each other, with {app['processes'] or host['cpus']} "
            f"processes, need {streams * STREAM // 2**20}M for their streams alone; raise limits.memory, or lower streams or processes"
        )
    if limits["cpu"] is not None and _percent(limits["cpu"]) > 100 * host["cpus"]:
        yield f"limits.cpu is {limits['cpu']}, but the machine has {host['cpus']} processors, which are {100 * host['cpus']}%; lower it"
    needed = 2 * _tasks_of_a_release(app, host) + SPARE_TASKS
    if _tasks(app, host) < needed:
        yield (
            f"limits.tasks is {limits['tasks']}, but two releases beside each other, with {app['processes'] or host['cpus']} processes of "
            f"{_threads(app)}, need {needed}; raise it, or lower processes or threads"
        )


def overcommitted(promised: dict[str, str], host: Host, name: str) -> str | None:
    """What is to be said where the apps of a machine may use more memory together than it has; ``promised`` is limits.memory by app.

    A limit is a ceiling, so this is a warning. The default is nobody's promise: it keeps one app from taking all.
    """
    sizes = {app: _memory(stated, host) for app, stated in promised.items()}
    if sum(sizes.values()) <= host["memory"]:
        return None
    largest = sorted(sizes, key=lambda app: -sizes[app])
    named = [f"{app} {promised[app]}" for app in largest[:NAMED]]
    others = [f"{len(largest) - NAMED} more"] if len(largest) > NAMED else []
    return (
        f"limits.memory of the apps of {name} is {sum(sizes.values()) // 2**20}M in sum ({', '.join([*named, *others])}), but the machine has "
        f"{host['memory'] // 2**20}M; once they use that much, the kernel kills processes of any app, so lower the largest or give the machine more"
    )


def _memory(stated: str, host: Host) -> int:
    """Bytes of limits.memory on this machine; 0 where it is malformed."""
    return size(stated) if SIZE.fullmatch(stated) else _percent(stated) * host["memory"] // 100


def _threads(app: App) -> str:
    """The threads of a process, as messages name them."""
    requests = "greenlets" if app["concurrency"] == "gevent" else f"{app['threads']} threads"
    return requests + (f" and {app['streams']} streams" if app["streams"] else "")


def _percent(text: str) -> int:
    found = PERCENT.fullmatch(text)
    return int(found.group(1)) if found else 0
