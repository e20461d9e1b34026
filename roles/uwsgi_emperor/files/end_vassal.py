#!/usr/bin/python3 -I
# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""End what is left of a vassal whose mercy is over: end-vassal APP RELEASE.N [ROOT]

A vassal is told to go by the removal of its ini; it finishes its requests, or the Emperor kills its master. This is run after
that. In the app's Emperor's unit it kills what carries the vassal's ini or the variable that it was started with, what descends
from that, and every orphan of no vassal that the Emperor governs or still lets finish. What it killed it says in the app's log too.
Only what is in the unit's control group is looked at: a process can call itself anything, but it cannot leave that group.
"""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

ACTIVATION = r"[0-9a-f]{1,64}\.[0-9]{1,9}"
UNKNOWN = "?"  # the vassal of a process that root may not look into, where it has no CAP_SYS_PTRACE
PATIENCE = 10  # seconds until nothing must be left
INTERVAL = 0.2  # seconds between two looks
INIT = 1  # the parent of orphans


class Process:
    """A process: its parent, when it began (ticks since boot), what it is called (bytes), and its vassal, UNKNOWN or None."""

    def __init__(self, parent, began, name, vassal):
        self.parent, self.began, self.name, self.vassal = parent, began, name, vassal


def doomed(processes, vassal, governed, kept):
    """The ids of those among a unit's processes (by id) that nothing may be left of, in order.

    ``governed`` are the vassals with an ini; ``kept`` are the processes that systemd knows, the Emperor first of all. Without an
    Emperor it cannot be told which orphan is one.
    """
    children = {}
    for pid, process in processes.items():
        children.setdefault(process.parent, []).append(pid)
    finishing = {process.vassal for process in processes.values() if process.parent in kept}
    spared = {*governed, *finishing, UNKNOWN} - {vassal, None}
    found = set()
    ahead = [
        pid
        for pid, process in processes.items()
        if process.vassal == vassal or (kept and process.parent == INIT and process.vassal not in spared)
    ]
    while ahead:
        pid = ahead.pop()
        if pid not in found and pid not in kept:
            found.add(pid)
            ahead += children.get(pid, [])
    return sorted(found)


class Host:
    """What this looks at and changes; ``root`` is / on a host."""

    def __init__(self, root, app):
        self.app, self.unit, self.proc = app, f"uwsgi-emperor@{app}.service", root / "proc"
        self.inis = root / "etc/uwsgi/vassals" / app
        self.run = root / "var/www" / app / "run"
        self.log = root / "var/log/uwsgi" / app / f"{app}_uwsgi.log"
        self.tops = {name: path.removesuffix("/init.scope").rstrip("/") for name, path in self.groups(INIT)}

    def governed(self):
        """The vassals with an ini."""
        return {path.stem for path in self.inis.glob("*.ini")}

    def kept(self):
        """The processes of the unit that systemd knows: the Emperor, and what reloads it."""
        ask = ["systemctl", "show", "--property", "MainPID,ControlPID", self.unit]
        done = subprocess.run(ask, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            sys.exit(f"systemd does not say which process is the Emperor of {self.app}; nothing is ended")
        return {int(pid) for pid in re.findall(r"PID=(\d+)", done.stdout)} - {0}

    def processes(self):
        """The unit's processes by id."""
        every = {int(name): self.look(name) for name in os.listdir(self.proc) if name.isdigit()}
        return {pid: process for pid, process in every.items() if process}

    def look(self, pid):
        """A process, if it is one of the unit's and has not ended."""
        if not any(self.is_unit(name, path) for name, path in self.groups(pid)):
            return None
        fields = self.read(pid, "stat").rpartition(b")")[2].split()
        if not fields or fields[0] in (b"Z", b"X"):
            return None
        words = self.read(pid, "cmdline")
        name = words.partition(b"\0")[0].strip() or self.read(pid, "comm").strip()
        return Process(int(fields[1]), int(fields[19]), name, self.vassal(pid, words))

    def vassal(self, pid, words):
        """The vassal that a process is of: by its command line (until uWSGI was a module, a name it gave itself), or by its environment."""
        found = re.search(rf"(?:^{self.app}@|\0--ini\0)({ACTIVATION})(?: |\.ini\0)".encode(), words)
        try:
            variables = (self.proc / str(pid) / "environ").read_bytes()
        except PermissionError:
            return found.group(1).decode() if found else UNKNOWN
        except OSError:
            variables = b""
        found = found or re.search(rf"(?:^|\0)EMPEROR_VASSAL=({ACTIVATION})(?:\0|\Z)".encode(), variables)
        return found.group(1).decode() if found else None

    def is_unit(self, name, path):
        """Tell whether a control group's path leads from the top of systemd's groups (v1's or v2's), over slices only, to the unit."""
        top = self.tops.get(name, "") + "/"
        if name not in ("name=systemd", "") or not path.startswith(top):
            return False
        parts = path[len(top) :].split("/")
        while parts and parts[0].endswith(".slice"):
            parts.pop(0)
        return parts[:1] == [self.unit]

    def groups(self, pid):
        """The names and paths of a process's control groups."""
        lines = self.read(pid, "cgroup").decode(errors="replace").split("\n")
        return [line.split(":", 2)[1:] for line in lines if line.count(":") >= 2]

    def read(self, pid, name):
        """A file of a process; empty where it has just ended."""
        try:
            return (self.proc / str(pid) / name).read_bytes()
        except OSError:
            return b""

    def kill(self, pid, process):
        """Kill a process, and no other one that has got its id meanwhile; tell whether it was there."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            now = self.look(pid)
            if not now or now.began != process.began:
                return False
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            return False
        finally:
            os.close(handle)
        return True

    def say(self, line):
        """Print a line for the journal, and append it to the app's log, if that is there and a file."""
        print(line, flush=True)
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            if stat.S_ISREG(os.fstat(log).st_mode):
                os.write(log, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} - {line}\n".encode())
        except OSError as error:
            print(f"{self.log}: {error}", flush=True)
        finally:
            os.close(log)

    def remove_socket(self, vassal):
        """Remove the vassal's socket. Its folder is the app's: what else stands there stays, and no error of it matters."""
        path = self.run / f"{vassal}.sock"
        try:
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        except OSError:
            pass


def printable(name):
    """What a process is called, with every byte that could mean something to a terminal made visible."""
    return re.sub(rb"[^ -~]", lambda found: b"\\x%02x" % ord(found.group()), name[:80]).decode()


def end(host, vassal):
    """Kill until nothing is left; raise SystemExit with a sentence where that cannot be."""
    deadline = time.monotonic() + PATIENCE
    said = set()
    while True:
        # In this order: an ini that was written meanwhile, or an Emperor that was restarted, is seen, and what it started is not.
        processes = host.processes()
        kept, governed = host.kept(), host.governed()
        if vassal in governed:
            sys.exit(f"{vassal} of {host.app} has its ini in {host.inis}, so it is not to end; nothing is ended")
        left = doomed(processes, vassal, governed, kept)
        for pid in left:
            process = processes[pid]
            if host.kill(pid, process) and (pid, process.began) not in said:
                said.add((pid, process.began))
                age = time.clock_gettime(time.CLOCK_BOOTTIME) - process.began / os.sysconf("SC_CLK_TCK")
                of = f"of the vassal {process.vassal}" if process.vassal else "of no vassal"
                host.say(
                    f"killed process {pid} '{printable(process.name)}' {of}, which had run for {age:.0f} s: "
                    f"it was left when {vassal} was to have ended"
                )
        if not left:
            break
        if time.monotonic() > deadline:
            sys.exit(
                f"after {PATIENCE} s there is still left of {vassal} of {host.app}: process {', '.join(map(str, left))}"
            )
        time.sleep(INTERVAL)
    for pid, process in processes.items():
        if process.vassal == UNKNOWN and process.parent == INIT and pid not in kept:
            print(f"process {pid} '{printable(process.name)}' is left: root may not read here which vassal it is of")


def main(app="", vassal="", root="/"):
    """End the vassal of the app."""
    if not (re.fullmatch(r"[a-z][a-z0-9_-]*", app) and re.fullmatch(ACTIVATION, vassal)):
        sys.exit("usage: end-vassal APP RELEASE.N")
    host = Host(Path(root), app)
    end(host, vassal)
    host.remove_socket(vassal)


if __name__ == "__main__":
    main(*sys.argv[1:])
