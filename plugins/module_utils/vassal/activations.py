# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's vassals: the live one, and a candidate beside it while a release is under way.

An activation is a release with a number. Its ini in the Emperor's folder starts the vassal, its socket carries the same name,
and removing the ini lets the vassal finish its requests and go. The number never comes back, since a name that is still
draining would be waited for. What the app writes, the folder of its sockets first of all, says nothing about numbers, nor about
what runs.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.warnings import warn
from ansible_collections.emperor.flask.plugins.module_utils.host import (
    app_status,
    box,
    cgroup,
    systemd,
    unix_sockets,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    ACTIVATION,
    Access,
    link_target,
    names_in,
    remove,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import head
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health, get

NAME = re.compile(rf"{ACTIVATION}(?:\.sock|\.ini)?")
NUMBER = re.compile(r"[0-9]{1,9}")
END = "/usr/local/lib/uwsgi/end-vassal"
MERCY = 75  # seconds until nothing of a retired vassal may be left: longer than emperor-curse-tolerance in emperor.ini
# The command line of a vassal's process; until uWSGI was a module, a name that it gave itself.
CARRIED = re.compile(rb"(?:^[a-z0-9_-]+@|\0--ini\0)" + ACTIVATION.encode() + rb"(?: |\.ini\0)")
VARIABLE = re.compile(rb"(?:^|\0)EMPEROR_VASSAL=" + ACTIVATION.encode() + rb"(?:\0|\Z)")  # vassal-exec sets it
MAX_ENVIRONMENT = 8 * 1024 * 1024  # bytes: more than the kernel lets a process be started with
MAX_LOG = 64 * 1024  # bytes of a log that are read for a message
ENDED = "[emperor] removed uwsgi instance {}.ini\n"  # the Emperor's log, before it tries again (core/emperor.c)
JOURNAL = "; log = journal"  # a line of a uwsgi.ini, for vassal-exec (flask_app_log)
NOT_LOADED = "unable to load app"  # uWSGI, after the exception of an import
STARTING = "*** Starting uWSGI"  # the first line of each start in a vassal's log
BEGINS = "Traceback (most recent call last):"
TRACEBACK = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(\S.*)$", re.MULTILINE
)  # its exception
UNKNOWN_OPTION = re.compile(r"\[strict-mode\] unknown config directive: (.*)$", re.MULTILINE)
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


@dataclass(frozen=True)
class Start:
    """How things stood before an activation was started."""

    journal: (
        float | None
    )  # since when the vassals' log is in the journal, in seconds since the epoch; None where it is a file
    log: int  # bytes of the vassals' log
    emperor_log: int  # bytes of the Emperor's
    emperor: int  # the Emperor's process id, or 0
    memory: tuple[str, ...]  # the control groups that its memory is accounted for in
    killed: int  # how often a process of those was killed for memory


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
    numbers = [int(name) for name in names_in(layout.secrets) if NUMBER.fullmatch(name)]
    inis = governed(layout)
    known = {other.number for other in [*inis, *([activation] if activation else [])]}
    return [other for other in inis if other != activation] + [
        Activation("", number) for number in numbers if number not in known
    ]


def running(layout: Layout, proc: str = "/proc") -> list[Activation]:
    """The activations of which a process runs: the live one, a candidate, and those that finish their requests or were not ended yet."""
    carried = {_carried(pid, proc) for pid in cgroup.processes_of(layout.unit, proc)}
    return sorted((found for found in carried if found), key=str)


def processes(layout: Layout, activation: Activation, proc: str = "/proc") -> list[int]:
    """The process ids of an activation, with those of the programs that its app started and that kept their environment."""
    pids = cgroup.processes_of(layout.unit, proc)
    return [pid for pid in pids if _carried(pid, proc) == activation]


def following(layout: Layout, release: str) -> Activation:
    """The next activation of a release: a number higher than any that was given, on the disk before it is returned."""
    known = [activation.number for activation in [*leftovers(layout, None), live(layout)] if activation]
    number = max([_last_given(layout), *known]) + 1
    os.makedirs(layout.state, 0o700, exist_ok=True)
    replace_file(layout.counter, f"{number}\n".encode(), Access(0o600))
    return Activation(release, number)


def stage(layout: Layout, activation: Activation, exports: str) -> None:
    """Write an activation's secrets."""
    replace_file(secrets(layout, activation.number), exports.encode(), Access(0o640, "root", layout.name))


def start(layout: Layout, activation: Activation, manifest: dict[str, Any], emperor: int) -> Start:
    """Let the Emperor (a process id, or 0) start a staged activation: the head of its ini names uWSGI, env, secrets and limits
    to vassal-exec.

    Return how things stood before, for ``wait_until_healthy``.
    """
    memory = cgroup.memory_groups(emperor)
    release = layout.release(activation.release)
    with open(os.path.join(release, "uwsgi.ini"), encoding="utf-8") as stream:
        options = stream.read()
    journal = time.time() if JOURNAL in options.splitlines() else None
    sizes = _size(layout.log), _size(layout.emperor_log)
    before = Start(journal, *sizes, emperor, memory, cgroup.oom_kills(memory))
    limits = manifest["limits"]
    named = {
        "uwsgi": manifest["uwsgi"],
        "python": manifest["interpreter"],  # empty where uWSGI was a program
        "env": f"{release}/env",
        "secrets": secrets(layout, activation.number),
        "files": limits["files"],
        "bytes": limits["log"],
    }
    lines = "".join(f"; {name} = {value}\n" for name, value in named.items())
    replace_file(ini(layout, activation), (lines + options).encode(), Access(0o640, "root", layout.name))
    return before


def bring_up(layout: Layout, activation: Activation, manifest: dict[str, Any], health: Health) -> None:
    """Start a staged activation and return when it answers its health request; whatever interrupts that, it is retired."""
    try:
        emperor = systemd.main_pid(layout.unit)
        before = start(layout, activation, manifest, emperor)
        systemd.scan_now(emperor)
        wait_until_healthy(layout, activation, health, before)
    except BaseException:
        retire(layout, activation)
        raise


def wait_until_healthy(layout: Layout, activation: Activation, health: Health, start: Start) -> None:
    """Return when the activation answers the health request; raise Refusal with the cause and the log's end when it does not.

    A candidate that has ended, such as one that cannot be imported, is not waited for any longer, nor is one that does not answer while
    the kernel kills for memory in its box.
    """
    deadline = time.monotonic() + health.timeout
    answer = "it did not open its socket"
    ran, gone = False, 0  # whether a process of it was seen, and looks since then that saw none
    while (left := deadline - time.monotonic()) > 0:
        try:
            status, line = get(socket(layout, activation), health, left)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        except (OSError, ValueError) as error:
            answer = str(error)
        else:
            if health.accepts(status):
                return
            answer = f"it answers {status}: {line}"
        if cgroup.oom_kills(start.memory) > start.killed:
            raise Refusal(
                f"the release {activation.release} was killed for memory: the kernel killed a process of {layout.name} while it "
                "started. limits.memory (or processes x threads) is too small for two vassals, the live one and this one beside it: "
                f"raise limits.memory, lower processes, or say preload: true where that is safe [memory]\n{_said(layout, start)}"
            )
        runs = bool(processes(layout, activation))
        ran, gone = ran or runs, 0 if runs else gone + 1
        # One look may meet a process that just executes another program.
        if (ran and gone > 2) or ENDED.format(activation) in _since(layout.emperor_log, start.emperor_log):
            raise Refusal(
                f"the release {activation.release} cannot start: {_cause(layout, start)}\n{_said(layout, start)}"
            )
        time.sleep(INTERVAL)
    raise Refusal(
        f"the release {activation.release} does not answer {health.path} with {', '.join(health.status)} "
        f"within {health.timeout} seconds: {answer}\n{_said(layout, start)}"
    )


def is_healthy(layout: Layout, activation: Activation, health: Health) -> bool:
    """Tell whether a running activation answers the health request."""
    try:
        return health.accepts(get(socket(layout, activation), health, health.timeout)[0])
    except (OSError, ValueError):
        return False


def is_asleep(layout: Layout, activation: Activation, manifest: dict[str, Any], emperor: systemd.State) -> bool:
    """Tell whether a running activation sleeps until its next request; ``emperor`` is how its Emperor is. It was healthy when it fell asleep.

    Nothing is asked over its socket, which would wake it.
    """
    return bool(manifest["idle"]) and emperor.tasks == app_status.ASLEEP and _is_listening(socket(layout, activation))


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
    """Let an activation finish its requests and go. What is left of it when its mercy is over is ended, and so is its socket.

    That it cannot be arranged is warned about: the next one that is arranged makes up for it.
    """
    started = bool(activation.release) and os.path.lexists(ini(layout, activation))
    remove(ini(layout, activation))
    remove(secrets(layout, activation.number))
    if not started:
        return
    unit = f"emperor-end-{box.escaped(layout.name)}-{activation}"
    try:
        systemd.schedule(unit, MERCY, [END, layout.name, str(activation)])
    except CommandFailed as error:
        warn(
            f"app '{layout.name}': what may be left of its vassal {activation} in {MERCY} seconds will not be ended, since systemd does not "
            f"schedule that: {error.output}. To end it: {END} {layout.name} {activation}"
        )


def _is_listening(path: str) -> bool:
    """Tell whether somebody listens on a socket that is still in its place, without a connection to it."""
    try:
        return path in unix_sockets.in_hand([path])
    except OSError:  # a kernel without these diagnostics: it is asked, and wakes
        return False


def _first_start(log: str) -> str:
    """The log up to the Emperor's second attempt: every attempt fails for one cause, and the last may just have begun."""
    before, started, rest = log.partition(STARTING)
    return before + started + rest.partition(STARTING)[0]


def _cause(layout: Layout, start: Start) -> str:
    """The line that says why a first attempt failed: the exception that its last traceback ends with, if it could not load the app."""
    if unknown := UNKNOWN_OPTION.search(_since(layout.emperor_log, start.emperor_log)):
        return f"uWSGI has no option '{unknown.group(1)}'; correct vassal_extra, or the template"
    ends = TRACEBACK.findall(_traceback(_first_start(_logged(layout, start))))
    return ends[-1] if ends else "its processes have ended"


def _traceback(log: str) -> str:
    """What a start's log has of an import that failed, with the errors that led to it; none where another thing ended it."""
    before, found, _unused = log.partition(STARTING)[2].partition(NOT_LOADED)
    lines = before.rpartition("\n")[0]
    return lines[lines.find(BEGINS) :] if found and BEGINS in lines else ""


def _said(layout: Layout, start: Start) -> str:
    """What explains a failed start: an Emperor that does nothing, or the end of what was logged since."""
    if cgroup.is_stopped(start.emperor):
        emperor = layout.unit.removesuffix(".service")
        return (
            f"its Emperor (process {start.emperor}) is stopped by a signal; "
            f"continue it with: systemctl kill --signal=CONT {emperor}"
        )
    log = _first_start(_logged(layout, start))
    for path, text in (
        (layout.log if start.journal is None else "the journal", _traceback(log) or log),
        (layout.emperor_log, _since(layout.emperor_log, start.emperor_log)),
    ):
        if text.strip():
            return f"The end of {path}:\n{tail(text)}"
    return f"Neither {layout.log} nor {layout.emperor_log} says anything since it was started."


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _logged(layout: Layout, start: Start) -> str:
    """What the vassals have logged since."""
    if start.journal is None:
        return _since(layout.log, start.log)
    return systemd.journal(layout.unit, layout.name, start.journal)


def _since(path: str, offset: int) -> str:
    """What was logged since, at most the last MAX_LOG bytes; everything where the log is shorter by now, since it was rotated."""
    try:
        with open(path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(offset if offset <= size else 0, size - MAX_LOG))
            return stream.read(MAX_LOG).decode(errors="replace")
    except FileNotFoundError:
        return ""


def _last_given(layout: Layout) -> int:
    """The number in the counter; 0 where it cannot be one, as after a power failure."""
    text = head(layout.counter, 16).decode(errors="replace").strip()
    return int(text) if NUMBER.fullmatch(text) else 0


def _carried(pid: int, proc: str) -> Activation | None:
    """The activation in the command line of a process of the app's Emperor, or in the environment that it was started with: what an
    app starts has a command line of its own."""
    found = CARRIED.search(head(f"{proc}/{pid}/cmdline", 4096))
    found = found or VARIABLE.search(head(f"{proc}/{pid}/environ", MAX_ENVIRONMENT))
    return Activation(found.group(1).decode(), int(found.group(2))) if found else None
