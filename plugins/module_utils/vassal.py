# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's vassals: the live one, and a candidate beside it while a release is under way.

An activation is a release with a number. Its ini in the Emperor's folder starts the vassal, its socket carries the same name,
and removing the ini lets the vassal finish its requests and go. The number never comes back, since a name that is still
draining would be waited for.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils import box
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal, tail
from ansible_collections.emperor.flask.plugins.module_utils.files import (
    Access,
    link_target,
    names_in,
    remove,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_client import Health, get

NAME = re.compile(r"([0-9a-f]+)\.(\d+)(?:\.sock|\.ini)?")
MAX_LOG = 64 * 1024  # bytes of a log that are read for a message
STARTING = "*** Starting uWSGI"  # the first line of each start in a vassal's log
INTERVAL = 0.1  # seconds between two looks at a candidate


@dataclass(frozen=True)
class Activation:
    """A release and the number of this start of it."""

    release: str
    number: int

    @classmethod
    def parse(cls, path: str | None) -> Activation | None:
        """The activation that is written ``path``, or that a socket's or an ini's name belongs to."""
        found = NAME.fullmatch(os.path.basename(path or ""))
        return cls(found.group(1), int(found.group(2))) if found else None

    def __str__(self) -> str:
        return f"{self.release}.{self.number}"


def live(layout: Layout) -> Activation | None:
    """The activation that nginx's requests go to."""
    return Activation.parse(link_target(layout.socket))


def governed(layout: Layout) -> list[Activation]:
    """The activations whose ini the Emperor sees."""
    return [found for found in map(Activation.parse, names_in(layout.vassals)) if found]


def ini(layout: Layout, activation: Activation) -> str:
    """Path of an activation's ini."""
    return os.path.join(layout.vassals, f"{activation}.ini")


def socket(layout: Layout, activation: Activation) -> str:
    """Path of an activation's socket."""
    return os.path.join(layout.run, f"{activation}.sock")


def secrets(layout: Layout, number: int) -> str:
    """Path of an activation's secrets."""
    return os.path.join(layout.secrets, str(number))


def leftovers(layout: Layout, activation: Activation | None) -> list[Activation]:
    """Every other activation that an ini or a file of secrets speaks of: an old one, or one of a run that died."""
    numbers = [int(name) for name in names_in(layout.secrets) if name.isdigit()]
    inis = governed(layout)
    known = {other.number for other in [*inis, *([activation] if activation else [])]}
    return [other for other in inis if other != activation] + [
        Activation("", number) for number in numbers if number not in known
    ]


def running(layout: Layout, table: str = "/proc/net/unix") -> list[Activation]:
    """The activations whose socket a process holds: the live one, a candidate, and those that finish their requests."""
    with open(table, encoding="utf-8", errors="replace") as stream:
        paths = [line.split()[-1] for line in stream if f" {layout.run}/" in line]
    return sorted({found for found in map(Activation.parse, paths) if found}, key=str)


def processes(layout: Layout, activation: Activation) -> list[int]:
    """The process ids of an activation: its processes carry its name (procname-prefix-spaced in uwsgi.ini)."""
    name = f"{layout.name}@{activation} ".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as stream:
                if stream.read(len(name)) == name:
                    found.append(int(pid))
        except OSError:  # it has just ended
            continue
    return found


def following(layout: Layout, release: str) -> Activation:
    """The next activation of a release: a number higher than any that was used."""
    sockets = filter(None, map(Activation.parse, names_in(layout.run)))
    numbers = [activation.number for activation in [*leftovers(layout, None), live(layout), *sockets] if activation]
    return Activation(release, max(numbers, default=0) + 1)


def stage(layout: Layout, activation: Activation, exports: str) -> None:
    """Write an activation's secrets."""
    replace_file(secrets(layout, activation.number), exports.encode(), Access(0o640, "root", layout.name))


def start(layout: Layout, activation: Activation, manifest: dict) -> None:
    """Let the Emperor start a staged activation: the head of its ini names uWSGI, env, secrets and limits to vassal-exec."""
    release = layout.release(activation.release)
    with open(os.path.join(release, "uwsgi.ini"), encoding="utf-8") as stream:
        options = stream.read()
    limits = manifest.get("limits", box.LIMITS)
    named = {
        "uwsgi": manifest["uwsgi"],
        "env": f"{release}/env",
        "secrets": secrets(layout, activation.number),
        "files": limits["files"],
        "bytes": limits["log"],
    }
    head = "".join(f"; {name} = {value}\n" for name, value in named.items())
    replace_file(ini(layout, activation), (head + options).encode(), Access(0o640, "root", layout.name))


def wait_until_healthy(layout: Layout, activation: Activation, health: Health) -> None:
    """Return when the activation answers the health request; raise Refusal with the last answer and the log's end when it does not."""
    deadline = time.monotonic() + health.timeout
    offset = _size(layout.log)
    answer = "it did not open its socket"
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            status, line = get(socket(layout, activation), health, left)
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(INTERVAL)
            continue
        except (OSError, ValueError) as error:
            answer = str(error)
            time.sleep(INTERVAL)
            continue
        if health.accepts(status):
            return
        answer = f"it answers {status}: {line}"
        time.sleep(INTERVAL)
    path, log = layout.log, tail(_first_start(_since(layout.log, offset)))
    if not log:
        path, log = layout.emperor_log, tail(_since(layout.emperor_log, 0))
    raise Refusal(
        f"the release {activation.release} does not answer {health.path} with {', '.join(health.status)} "
        f"within {health.timeout} seconds: {answer}\nThe end of {path}:\n{log}"
    )


def is_healthy(layout: Layout, activation: Activation, health: Health) -> bool:
    """Tell whether a running activation answers the health request."""
    try:
        return health.accepts(get(socket(layout, activation), health, health.timeout)[0])
    except (OSError, ValueError):
        return False


def switch(layout: Layout, activation: Activation) -> None:
    """Send requests to an activation: the rename of the socket's link is the switch."""
    replace_link(layout.socket, os.path.join("run", f"{activation}.sock"))
    replace_link(layout.current, os.path.join("releases", activation.release))
    replace_link(layout.uwsgi_ini, "current/uwsgi.ini")
    replace_link(layout.nginx_conf, "current/nginx.conf")


def unswitch(layout: Layout) -> None:
    """Take the links of an app's first release away again."""
    for link in (layout.socket, layout.nginx_conf, layout.uwsgi_ini, layout.current):
        remove(link)


def retire(layout: Layout, activation: Activation) -> None:
    """Let an activation finish its requests and go."""
    remove(ini(layout, activation))
    remove(secrets(layout, activation.number))


def _first_start(log: str) -> str:
    """The log up to the Emperor's second attempt: every attempt fails for one cause, and the last may just have begun."""
    before, started, rest = log.partition(STARTING)
    return before + started + rest.partition(STARTING)[0]


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _since(path: str, offset: int) -> str:
    """What was logged since, at most the last MAX_LOG bytes."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(offset, os.path.getsize(path) - MAX_LOG))
            return stream.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
