#!/usr/bin/env python3
"""On the host of idle_apps.py: the memory of each app's slice and of the processes in it, and the milliseconds of its first answer, as JSON."""

import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path


def pss(app):
    """MiB of the processes of an app's slice; what processes share is divided among them."""
    found = 0
    for process in filter(lambda path: path.name.isdigit(), Path("/proc").iterdir()):
        try:
            if f"/emperor-{app}.slice/" in (process / "cgroup").read_text():
                found += int(re.search(r"^Pss: +(\d+)", (process / "smaps_rollup").read_text(), re.MULTILINE)[1])
        except FileNotFoundError:  # it has just ended
            continue
    return found / 1024


def memory(app):
    """MiB that the kernel accounts to the slice."""
    asked = ["systemctl", "show", "--property=MemoryCurrent", "--value", f"emperor-{app}.slice"]
    return int(subprocess.run(asked, stdout=subprocess.PIPE, check=True).stdout) / 2**20


def first(app):
    """Milliseconds until an app has answered."""
    begin = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", timeout=60)
    connection.request("GET", "/", headers={"Host": f"{app}.test"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        sys.exit(f"{app} answers {answer.status}")
    return 1000 * (time.monotonic() - begin)


seen = [{"app": app, "slice_mib": memory(app), "pss_mib": pss(app)} for app in sys.argv[1:]]
print(json.dumps([{**one, "first_ms": first(one["app"])} for one in seen]))
