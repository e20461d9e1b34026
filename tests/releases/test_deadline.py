"""A request that is stuck is given up, whatever else is asked meanwhile, and the others are answered."""

import contextlib
import re
import subprocess

import pytest
from conftest import Shop, alone, released
from plays import HOSTS, NAME, load, nothing_lost, on, until

(HOST,) = HOSTS
LOG = "/var/log/uwsgi/shop/shop_uwsgi.log"
LIMIT = 8  # seconds; the slow requests of the load take 3, on a machine that is not busy
RATE = 60
THREADS = 16  # of each of 2 workers
CURL = f"curl -so /dev/null -w '%{{http_code}}\\n' -H 'Host: {NAME}' http://localhost"


@pytest.fixture
def strict(tmp_path):
    """The app with a deadline of LIMIT seconds, and an empty log."""
    app = Shop(tmp_path / "shop", HOSTS)
    app.entry |= {"harakiri": LIMIT, "threads": THREADS, "processes": 2}
    return alone(released(app, "strict"))


@contextlib.contextmanager
def asked(path, count=1, pause=0):
    """Ask a path several times, with a pause (seconds) between two; yields the statuses, which are there afterwards."""
    statuses = []
    every = f"for one in $(seq {count}); do {CURL}{path} & sleep {pause}; done; wait"
    with subprocess.Popen(["docker", "exec", HOST, "sh", "-c", every], stdout=subprocess.PIPE, text=True) as clients:
        yield statuses
        statuses += map(int, clients.communicate(timeout=60)[0].split())


def told():
    """The requests that the log says were stuck, by their ids; each with where."""
    log = on(HOST, f"cat {LOG}")
    mark = r"\S+ \S+ - "  # time, release and no request: it is the watch that tells
    return dict(re.findall(rf"request GET /stuck \((\w+)\) takes longer than harakiri.*\n((?:{mark}  .*\n)*)", log))


@pytest.mark.parametrize(
    ("count", "pause"), [(1, 0), (8, 1), (2 * THREADS - 4, 0)], ids=["one", "one a second", "all threads"]
)
def test_stuck_requests_are_given_up_and_said_while_all_others_are_answered(strict, count, pause):
    with nothing_lost(rate=RATE), asked("/stuck", count, pause) as statuses:
        until(lambda: len(told()) == count)
    assert set(statuses) <= {502, 504}, statuses
    assert all("time.sleep(3000)" in where for where in told().values()), told()
    for number in told():
        assert on(HOST, f"grep -c {number} /var/log/nginx/access.log") == "1\n"


def test_a_request_that_keeps_the_gil_is_ended_with_what_its_worker_had_in_hand_and_said(strict):
    with load(rate=RATE) as counted, asked("/spin") as statuses:
        until(lambda: "in spin" in on(HOST, f"cat {LOG}"))
    assert statuses == [502]
    assert len(counted[0].failed) < THREADS
    assert f"Timeout (0:00:0{LIMIT + 1})!" in on(HOST, f"cat {LOG}")


def test_a_client_that_does_not_take_its_answer_is_given_up_alone(strict):
    script = (
        "import socket, sys, time; s = socket.create_connection(('127.0.0.1', 80));"
        f"s.sendall(b'GET /flood HTTP/1.1\\r\\nHost: {NAME}\\r\\n\\r\\n'); time.sleep(60)"
    )
    with nothing_lost(rate=RATE):
        subprocess.run(["docker", "exec", "--detach", HOST, "python3", "-c", script], check=True)
        until(lambda: "write_body_do() TIMEOUT" in on(HOST, f"cat {LOG}"))
    assert "is killed" not in on(HOST, f"cat {LOG}")
