"""Requests that no honest client sends: nginx answers them or hangs up, serves on, and writes lines of JSON.

EMPEROR_MALFORMED says how many, EMPEROR_SEED repeats a run. 501 and 505 are right answers, to codings and versions that are not
known (RFC 9112, 6.1; RFC 9110, 15.6.6); any other status from 500 would be nginx or the app failing.
"""

import json
import os
import random
import subprocess
import time

from conftest import CHECKOUT, ask, each_host, on

COUNT = int(os.environ.get("EMPEROR_MALFORMED", "300"))
SEED = int(os.environ.get("EMPEROR_SEED") or random.randrange(10**6))


@each_host
def test_malformed_requests_break_nothing_and_get_nothing(host):
    print(f"\nseed {SEED}: EMPEROR_SEED={SEED} repeats it")
    workers = on(host, "pgrep -P $(cat /run/nginx.pid) nginx").split()
    script, began = (CHECKOUT / "tests/front_door/malformed.py").read_text(), time.monotonic()
    argv = ["docker", "exec", "-i", host, "python3", "-", str(SEED), str(COUNT), "gallery.test"]
    done = subprocess.run(argv, input=script, capture_output=True, text=True, check=True)
    seen = json.loads(done.stdout)
    print(f"{host}: {COUNT} in {time.monotonic() - began:.0f} s: {seen['statuses']}, {seen['silent']} left open")
    assert seen["wrong"] == []
    assert sum(seen["statuses"].values()) >= COUNT
    # a client that has asked for a body to be sent, or has sent half a request, may be waited for; not each of them
    assert seen["silent"] < COUNT / 4
    assert on(host, "pgrep -P $(cat /run/nginx.pid) nginx").split() == workers, "a worker has died"
    assert ask(host, "https://gallery.test/").status == 200


@each_host
def test_whatever_was_asked_the_log_is_lines_of_json(host):
    log = subprocess.run(
        ["docker", "exec", host, "cat", "/var/log/nginx/access.log"], capture_output=True, check=True
    ).stdout
    lines = log.decode(errors="replace").split("\n")
    assert lines.pop() == ""
    assert all(json.loads(line)["status"] for line in lines)
