"""Start a server of the app, have wrk load it, stop it; print what wrk said and what the server took, as JSON.

Runs as root on a host: UNIT USER SITE PATH CLIENTS SECONDS WARM-UP. The server is whatever USER runs, so nothing else may run
as USER. A tick is the unit of CPU time in /proc; PSS, the proportional set size, counts a shared page by its share.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import resource
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # in a second
START = 60  # seconds that a server may take to answer
SETTLE = 1  # seconds in which its other processes start, too


def answer(site: str, path: str) -> bytes:
    """The app's first answer."""
    request = urllib.request.Request(f"http://127.0.0.1{path}", headers={"Host": site})
    deadline = time.monotonic() + START
    while True:
        try:
            with urllib.request.urlopen(request, timeout=START) as response:
                return response.read()
        except urllib.error.URLError as error:  # nginx's 502, while the server is not there
            if time.monotonic() > deadline:
                sys.exit(f"{site} does not serve {path}: {error}")
            time.sleep(0.1)


def processes(uid: int) -> tuple[dict[int, float], dict[int, float]]:
    """CPU seconds of each process of the user's, and of each of nginx's."""
    server, nginx = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            owner = folder.stat().st_uid
            name, fields = (folder / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        times = fields.split()[11:13]  # utime and stime: proc_pid_stat(5) counts from 1, and two fields stand before
        seconds = sum(int(ticks) for ticks in times) / TICKS
        if owner == uid:
            server[int(folder.name)] = seconds
        elif name == "nginx":
            nginx[int(folder.name)] = seconds
    return server, nginx


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds that processes have spent in between."""
    return sum(seconds - before.get(pid, 0) for pid, seconds in after.items())


def memory(uid: int) -> float:
    """PSS of all the user's processes, in MiB."""
    kibibytes = 0
    for pid in processes(uid)[0]:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kibibytes += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kibibytes / 1024


def busy() -> float:
    """CPU seconds that the machine has spent on anything, on all its cores."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq, steal))) / TICKS


def wrk(site: str, path: str, clients: int, seconds: int) -> tuple[str, float]:
    """Load the app; what wrk prints, and the CPU seconds it has taken."""
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    argv = ["wrk", "-t2", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "--latency", "-H", f"Host: {site}"]
    said = subprocess.run([*argv, f"http://127.0.0.1{path}"], check=True, stdout=subprocess.PIPE, text=True).stdout
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime


def measure(uid: int, site: str, path: str, clients: int, seconds: int, warm_up: int) -> dict[str, object]:
    """Load the server that runs, once to warm up and once to measure."""
    digest = hashlib.sha256(answer(site, path)).hexdigest()
    time.sleep(SETTLE)
    idle = memory(uid)
    wrk(site, path, clients, warm_up)
    load, begin, everything, (server, nginx) = os.getloadavg()[0], time.monotonic(), busy(), processes(uid)
    said, client = wrk(site, path, clients, seconds)
    (server_then, nginx_then), everything, elapsed = processes(uid), busy() - everything, time.monotonic() - begin
    took = {"server": spent(server, server_then), "nginx": spent(nginx, nginx_then)}
    return {
        "wrk": said,
        "answer": digest,
        "cpu": took,
        "load": load,
        "others": (everything - sum(took.values()) - client) / elapsed,
        "idle": idle,
        "loaded": memory(uid),
    }


def main() -> None:
    """Nothing of the server's is left afterwards, so that no server runs beside another."""
    unit, user, site, path, *numbers = sys.argv[1:]
    subprocess.run(["systemctl", "start", unit], check=True)
    try:
        measured = measure(pwd.getpwnam(user).pw_uid, site, path, *map(int, numbers))
    finally:
        subprocess.run(["systemctl", "stop", unit], check=True)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
