"""What an app logs: each line tells its time, release and request, and flask-app shows it all, from files and from the journal."""

import json
import re
import subprocess
import time

import pytest
from conftest import HOST
from plays import CHECKOUT, App, live, on, until

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}"
LOG = "/var/log/uwsgi/echo/echo_uwsgi.log"
TICK = {"name": "tick", "command": "sh -c 'while :; do echo the worker ticks; sleep 1; done'", "check": 1}


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    """An app that prints what it is sent, and a worker that ticks."""
    app = App("echo", tmp_path_factory.mktemp("apps") / "echo", [HOST], processes=1, threads=4, workers=[TICK])
    app.entry["secrets"] = {"ECHO_SECRET": "x"}
    app.deploy()
    yield app
    app.entry = {"name": "echo", "state": "absent", "keep_shared": False}
    app.deploy()


def documented(word):
    """What docs/runbook.md types to see logs, for this app."""
    page = (CHECKOUT / "docs/runbook.md").read_text()
    (command,) = [line for line in page.splitlines() if line.startswith("sudo flask-app notes logs -") and word in line]
    return command.removeprefix("sudo ").replace("notes", "echo")


def asked(path, body):
    """Send a body with POST; return the request's id."""
    headers = on(HOST, f"curl -s -o /dev/null -D - -H 'Host: echo.test' --data-binary '{body}' localhost/{path}")
    return re.search(r"(?i)^x-request-id: (\S+)", headers, re.MULTILINE).group(1)


def test_each_line_names_its_time_release_and_request(echo):
    request = asked("say", 'in plain\n{"event": "paid", "amount": 3}')
    failed = asked("fail", "x")
    until(lambda: "answered with 500" in on(HOST, f"cat {LOG}"))
    lines = on(HOST, f"grep -F -e {request} -e {failed} {LOG}").splitlines()
    mark = rf"{STAMP} {live(HOST, 'echo')}\.\d+"
    assert [line for line in lines if re.fullmatch(rf"{mark} {request} in plain", line)]
    paid, *_ = [json.loads(line) for line in lines if line.startswith("{")]
    assert paid.keys() == {"time", "release", "request_id", "event", "amount"} and paid["request_id"] == request
    assert [line for line in lines if re.fullmatch(rf"{mark} {failed} RuntimeError: it fails", line)]
    assert [line for line in lines if re.fullmatch(rf"{mark} {failed} POST /fail answered with 500 in \d+ ms", line)]
    assert "said in plain" in " ".join(lines)


def test_flask_app_shows_what_web_and_workers_have_logged_in_the_order_of_time(echo):
    request = asked("say", "\x1b]0;a title\x07once more")
    shown = on(HOST, "flask-app echo logs")
    assert f"{request} ?]0;a title?once more" in shown and "the worker ticks" in shown and "\x1b" not in shown
    on(HOST, "logrotate --force /etc/logrotate.d/emperor-flask")
    asked("say", "after the rotation")
    lines = on(HOST, documented("hour")).splitlines()
    both = [number for number, line in enumerate(lines) if "once more" in line or "after the rotation" in line]
    assert len(both) >= 2 and both == sorted(both)
    assert '"event": "paid"' in on(HOST, documented("jq"))
    assert on(HOST, "flask-app echo logs --since '1 hour'") == ""
    said = on(HOST, "flask-app echo logs --since never 2>&1; echo $?", check=False)
    assert "'never' is not a time that date(1) knows" in said and said.endswith("\n2\n")


def test_lines_are_followed(echo):
    argv = ["docker", "exec", HOST, "timeout", "6", *documented("--follow").split()]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as following:
        time.sleep(2)
        request = asked("say", "as it comes")
        output = following.communicate()[0]
    assert f"{request} as it comes" in output and "the worker ticks" in output


def test_a_restart_loses_no_request_and_begins_all_processes_anew(echo):
    ask = "for i in $(seq 200); do curl -s -o /dev/null -w '%{http_code}\\n' -H 'Host: echo.test' localhost/; sleep 0.02; done"
    before = set(on(HOST, "pgrep -u echo").split())
    with subprocess.Popen(["docker", "exec", HOST, "sh", "-c", ask], stdout=subprocess.PIPE, text=True) as load:
        said = on(HOST, "flask-app echo restart")
        statuses = load.communicate()[0].split()
    assert set(statuses) == {"200"} and len(statuses) == 200
    assert f"echo {live(HOST, 'echo')}." in said and "emperor-worker-echo-tick" in said
    after = set(on(HOST, "pgrep -u echo").split())
    assert len(before & after) == 2  # its Emperor and the vassal's master
    assert json.loads(on(HOST, "tail -n 1 /var/log/emperor-flask/audit.log"))["what"] == "restart"


def test_the_journal_has_it_all_where_that_is_asked_for(echo):
    echo.deploy(flask_app_log="journal")
    request = asked("say", "to the journal")
    until(lambda: f"{request} to the journal" in on(HOST, "journalctl --unit uwsgi-emperor@echo --output cat"))
    assert f"{request} to the journal" in on(HOST, "flask-app echo logs")
    source = (echo.folder / "echo.py").read_text()
    (echo.folder / "echo.py").write_text(source + "\nimport no_such_module\n")
    echo.refused("ModuleNotFoundError: No module named 'no_such_module'", flask_app_log="journal")
    (echo.folder / "echo.py").write_text(source)
    assert request not in on(HOST, f"cat {LOG}")
    assert echo.refused("flask_app_log", "files, journal", flask_app_log="syslog")
    assert echo.deploy(flask_app_log="journal").changed == [0]
