# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the apps of a host are: what serves, since when and by whom, and what it takes. Only reads.

The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing but what is installed beside it.
systemd is asked once for all apps, and so is the kernel for their sockets; what an app writes is not read. Moments are in seconds since the epoch.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import time
from typing import Any

from . import answers, box, moments, unix_sockets

APPS = "/etc/uwsgi/vassals"
HOMES = "/var/www"
NAME = re.compile(r"[a-z][a-z0-9_-]*")
LOCKS = "/var/lib/emperor-flask/locks"
CERTIFICATES = "/etc/nginx/certificates"
SITES = "/etc/nginx/conf.d"
APP_LOGS = "/var/log/uwsgi"
HOUR = 3600
MOST_APP_LOG = 2**18  # bytes of the end of an app's log that are read
KILLED = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}) - DAMN ! worker \d+ ", re.MULTILINE)  # uWSGI's
WINDOW = 300  # seconds of nginx's log that are counted
PROPERTIES = "ActiveState,Result,NRestarts,MemoryCurrent,MemoryMax,TasksCurrent,LastTriggerUSec,NextElapseUSecRealtime"
UNIT = re.compile(r"emperor-(worker|timer)-(?P<app>[^-]+)-(?P<name>[^-]+?)(?:-[0-9a-f]+\.\d+-\d+)?\.(service|timer)")
PROCESSES = {"workers": "processes", "p": "processes"}  # uWSGI's other names
ASLEEP = 2  # processes and threads of an Emperor's unit whose app sleeps: the Emperor, and the vassal's master
UNSET = ("", "[not set]", "infinity", str(2**64 - 1))
HEADINGS = (
    "app",
    "release",
    "since",
    "by",
    "web",
    "workers",
    "timers",
    "req/s",
    "5xx",
    "busy",
    "queue",
    "memory",
    "certificate",
)


def names() -> list[str]:
    """The apps of this host; others may keep inis of their own in that folder."""
    found = sorted(os.listdir(APPS)) if os.path.isdir(APPS) else []
    return [name for name in found if NAME.fullmatch(name) and os.path.isdir(f"{HOMES}/{name}/releases")]


def status(apps: list[str], who: dict[str, dict[str, str]]) -> list[dict[str, Any]]:
    """How each app is; ``who`` has, by app, who deployed which release."""
    wanted = linked()
    slices = {app: box.slice_of(app) for app in apps}
    emperors = {app: f"uwsgi-emperor@{app}.service" for app in apps}
    timers = [unit.replace(".timer", ".service") for unit in wanted if unit.endswith(".timer")]
    units = _units([*slices.values(), *emperors.values(), *wanted, *timers])
    live = {app: os.path.join(HOMES, app, _target(f"{HOMES}/{app}/{app}_uwsgi.sock")) for app in apps}
    sites = {_target(f"{SITES}/{name}") for name in (os.listdir(SITES) if os.path.isdir(SITES) else [])}
    requests = answers.by_app(time.time() - WINDOW)
    try:
        sockets = unix_sockets.in_hand(list(live.values()))
        listened = {app: live[app] in sockets for app in apps}
    except OSError:  # a kernel without these diagnostics; to connect to a socket makes its queue one longer
        sockets, listened = {}, {app: _listens(live[app]) for app in apps}
    return [
        {
            **_of(app, units[emperors[app]], listened[app], who.get(app, {}), sites),
            **dict(zip(("workers", "timers"), _background(app, wanted, units))),
            **_taken(
                None if requests is None else requests.get(app, (0, 0)),
                sockets.get(live[app], (None, None)),
                units[slices[app]],
            ),
        }
        for app in apps
    ]


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people: headings, then a line for each app."""
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]


def _of(app: str, emperor: dict[str, str], listened: bool, who: dict[str, str], sites: set[str]) -> dict[str, Any]:
    """What serves an app, and how it is served."""
    home = f"{HOMES}/{app}"
    release = os.path.basename(_target(f"{home}/current"))
    live_socket = os.path.join(home, _target(f"{home}/{app}_uwsgi.sock"))
    lock = releases_now(app)
    made_of = _manifest(f"{home}/releases/{release}/manifest.json")
    # One from before balancers ended TLS may still be there.
    plain = made_of.get("health", {}).get("scheme") == "http"
    ends = None if plain else _certificate_end(f"{CERTIFICATES}/{app}/combined.pem")
    return {
        "app": app,
        "emperor": emperor.get("ActiveState", ""),
        "release": release,
        "since": _since(f"{home}/releases/{release}") if release else None,
        "by": who.get(release),
        "code": made_of.get("code"),
        "origin": made_of.get("origin", {}).get("source", {}),
        "web": _web(made_of, emperor) if release and listened else "down",
        "reachable": _is_reachable(live_socket),
        "site": f"{home}/{app}_nginx.conf" in sites,
        "killed": _killed(f"{APP_LOGS}/{app}/{app}_uwsgi.log"),
        "leftovers": [] if lock else _leftovers(app, os.path.basename(live_socket)),
        "closed": os.path.lexists(f"{home}/maintenance"),
        "threads": _threads(f"{home}/releases/{release}/uwsgi.ini"),
        "certificate_ends": ends,
        "certificate_days": None if ends is None else int((ends - time.time()) // 86400),
        "lock": lock,
    }


def _is_reachable(path: str) -> bool:
    """Tell whether a socket lets its group, nginx's, connect: the app could have changed that. One that is not there is another matter."""
    try:
        status = os.lstat(path)
    except OSError:
        return True
    return status.st_mode & 0o060 == 0o060 and status.st_gid == os.stat(os.path.dirname(path)).st_gid


def _killed(path: str) -> int:
    """How many processes of a vassal were killed in the last hour, by its log: for memory, or because they were stuck."""
    since, killed = time.time() - HOUR, 0
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - MOST_APP_LOG))
        for found in KILLED.finditer(stream.read(MOST_APP_LOG)):
            moment = moments.seconds(found.group(1).decode())
            killed += moment is not None and moment > since
    return killed


def _leftovers(app: str, live: str) -> list[str]:
    """Vassals that are neither the live one nor a candidate: nobody releases the app now."""
    with contextlib.suppress(OSError):
        names = {os.path.splitext(name)[0] for name in os.listdir(f"{APPS}/{app}") if name.endswith(".ini")}
        return sorted(names - {os.path.splitext(live)[0]})
    return []


def _taken(
    requests: tuple[int, int] | None, sockets: tuple[int | None, int | None], slice_: dict[str, str]
) -> dict[str, int | float | None]:
    """What an app answers and takes."""
    return {
        "requests": requests[0] if requests else None,
        "requests_per_second": round(requests[0] / WINDOW, 2) if requests else None,
        "errors": requests[1] if requests else None,
        "busy": sockets[1],
        "queue": sockets[0],
        "memory": _number(slice_.get("MemoryCurrent", "")),
        "memory_limit": _number(slice_.get("MemoryMax", "")),
    }


def _web(made_of: dict[str, Any], emperor: dict[str, str]) -> str:
    """Whether what listens is awake."""
    return "asleep" if made_of.get("idle") and emperor.get("TasksCurrent") == str(ASLEEP) else "up"


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    workers = [f"{worker['name']} {worker['running']}/{worker['processes']}" for worker in row["workers"]]
    timers = [f"{timer['name']} {_clock(timer['next']) or 'never'}" for timer in row["timers"]]
    limit = f"/{row['memory_limit'] // 2**20}" if row["memory_limit"] else ""
    web = "closed" if row["closed"] else row["web"]
    return (
        row["app"],
        row["release"] or "-",
        _clock(row["since"]) or "-",
        row["by"] or "-",
        f"{web}, releasing: {row['lock']}" if row["lock"] else web,
        ", ".join(workers) or "-",
        ", ".join(timers) or "-",
        "-" if row["requests_per_second"] is None else f"{row['requests_per_second']:g}",
        "-" if row["errors"] is None else str(row["errors"]),
        "-" if row["busy"] is None else f"{row['busy']}/{row['threads'] or '?'}",
        "-" if row["queue"] is None else str(row["queue"]),
        "-" if row["memory"] is None else f"{row['memory'] // 2**20}{limit} MiB",
        "-" if row["certificate_days"] is None else f"{row['certificate_days']} days",
    )


def linked() -> list[str]:
    """The units of workers and timers that are to run."""
    folder = "/etc/systemd/system/uwsgi-emperor.target.wants"
    listed = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [name for name in listed if name.startswith(("emperor-worker-", "emperor-timer-"))]


def _units(asked: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says of units, by their names."""
    if not asked:
        return {}
    answer = _said(["systemctl", "show", f"--property={PROPERTIES}", *asked])
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in answer.strip().split("\n\n")]
    return dict(zip(asked, blocks))


def _background(
    app: str, wanted: list[str], units: dict[str, dict[str, str]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The workers and timers of an app."""
    workers: dict[str, dict[str, Any]] = {}
    timers = []
    for unit in wanted:
        found = UNIT.fullmatch(unit)
        if not found or found["app"] != box.escaped(app):
            continue
        name, state = found["name"].replace("\\x2d", "-"), units[unit]
        if unit.endswith(".timer"):
            command = units[unit.replace(".timer", ".service")]
            timers.append(
                {
                    "name": name,
                    "waits": state.get("ActiveState") == "active",
                    "last": _moment(state.get("LastTriggerUSec", "")),
                    "next": _moment(state.get("NextElapseUSecRealtime", "")),
                    "result": command.get("Result", ""),
                }
            )
            continue
        worker = workers.setdefault(name, {"name": name, "processes": 0, "running": 0, "restarts": 0})
        worker["processes"] += 1
        worker["restarts"] += int(state.get("NRestarts") or 0)
        worker["running"] += state.get("ActiveState") == "active"
    return list(workers.values()), timers


def _threads(path: str) -> int | None:
    """How many requests a release can have in hand at once, as its uwsgi.ini says; None where that states no numbers."""
    said = {}
    try:
        with open(path, encoding="utf-8") as stream:
            for option, _equals, value in (line.partition("=") for line in stream):
                said[PROCESSES.get(option.strip(), option.strip())] = value.strip()
        processes = int(said.get("processes", "1").replace("%k", str(os.cpu_count())))
        return processes * int(said.get("gevent") or said.get("threads", "1"))
    except (OSError, ValueError):
        return None


def _certificate_end(path: str) -> int | None:
    if not os.path.exists(path):
        return None
    end = _said(["openssl", "x509", "-in", path, "-noout", "-enddate"]).partition("=")[2].strip()
    return int(ssl.cert_time_to_seconds(end)) if end else None


def releases_now(app: str) -> str | None:
    """Who releases an app now."""
    return _lock(f"{LOCKS}/{app}")


def _lock(path: str) -> str | None:
    """Who releases the app now."""
    try:
        with open(path, encoding="utf-8") as stream:
            held = json.load(stream)
        return str(held["name"]) if held["until"] > time.time() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _listens(path: str) -> bool:
    """Tell whether somebody accepts connections on a socket of an app's. The app may have put anything there: a link is not followed."""
    try:
        with unix_sockets.opened(path) as there, socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(1)  # seconds: where the queue is full, it waits
            asked.connect(f"/proc/self/fd/{there}")
            return True
    except OSError:
        return False


def _since(path: str) -> int | None:
    """When a release was deployed; None where it is about to serve, or its app about to go."""
    try:
        when = int(os.stat(path).st_mtime)
    except OSError:
        return None
    return when if when > 1 else None  # 0 and 1 mark one that did not serve yet, or is not to any more


def _manifest(path: str) -> dict[str, Any]:
    """What a release was made of; nothing where that cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            made_of: dict[str, Any] = json.load(stream)
            return made_of
    except (OSError, ValueError):
        return {}


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def _moment(said: str) -> int | None:
    """A moment that systemctl writes in UTC; None where there is none."""
    return None if said in (*UNSET, "n/a", "0") else calendar.timegm(time.strptime(said[4:23], "%Y-%m-%d %H:%M:%S"))


def _clock(moment: int | None) -> str | None:
    """A moment for people, in the host's time zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment else None


def _number(said: str) -> int | None:
    return None if said in UNSET else int(said)


def _said(argv: list[str]) -> str:
    """What a program prints, its moments in UTC; nothing where it is not there or fails."""
    utc = {**os.environ, "TZ": "UTC"}
    try:
        return subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, env=utc
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
