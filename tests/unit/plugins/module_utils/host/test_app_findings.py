"""What is wrong has a code, a meaning and a remedy, and the runbook has an entry for each code."""

import re
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import app_findings
from ansible_collections.emperor.flask.plugins.module_utils.vassal import app_health

ROOT = Path(__file__).resolve().parents[5]
ROW = {
    "app": "shop",
    "release": "ab12",
    "emperor": "active",
    "web": "up",
    "reachable": True,
    "site": True,
    "killed": 0,
    "leftovers": [],
    "workers": [],
    "timers": [],
    "queue": 0,
    "memory": 100,
    "memory_limit": 200,
    "certificate_days": 80,
}
WORKER = {"name": "mail", "running": 2, "processes": 2, "restarts": 0}
TIMER = {"name": "digest", "waits": True, "result": "success"}


def test_a_healthy_app_has_no_finding():
    assert app_findings.of_app({**ROW, "workers": [WORKER], "timers": [TIMER]}) == []
    assert (
        app_findings.of_app({**ROW, "queue": None, "memory": None, "memory_limit": None, "certificate_days": None})
        == []
    )


@pytest.mark.parametrize(
    ("more", "code", "meaning"),
    [
        ({"release": ""}, "no-release", "it has no release"),
        ({"emperor": "failed", "web": "down"}, "emperor-down", "its Emperor is failed"),
        ({"web": "down"}, "vassal-down", "nothing listens on its socket"),
        ({"reachable": False}, "socket", "nginx may not use its socket, whose owner or mode has changed"),
        ({"site": False}, "site", "nginx has no site for it"),
        ({"killed": 2}, "killed", "2 of its web processes were killed in the last hour"),
        ({"leftovers": ["ab12.9"]}, "leftover", "a run that died has left ab12.9 beside its live release"),
        ({"workers": [{**WORKER, "running": 1}]}, "worker-down", "worker mail: 1 of 2 processes run"),
        ({"workers": [{**WORKER, "restarts": 5}]}, "worker-restarts", "worker mail has ended 5 times"),
        ({"timers": [{**TIMER, "waits": False}]}, "timer-down", "timer digest is not started"),
        ({"timers": [{**TIMER, "result": "exit-code"}]}, "timer-failed", "timer digest failed when it last ran (exit-code)"),
        ({"queue": 100}, "queue", "100 requests wait for a thread"),
        ({"memory": 181}, "memory", "90 % of limits.memory is in use"),
        ({"certificate_days": 13}, "certificate", "its certificate ends in 13 days"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_what_to_type(more, code, meaning):
    (finding,) = app_findings.of_app({**ROW, **more})
    assert (finding["app"], finding["code"], finding["meaning"]) == ("shop", code, meaning)
    assert app_findings.line(finding) == f"shop: {meaning} [{code}]; to mend it: {finding['remedy']}"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Stand-ins for systemctl and nginx."""

    def program(name, text):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(app_findings, "OWED", str(tmp_path / "owed"))
    monkeypatch.setattr(app_findings, "DISKS", ())
    program("systemctl", "exit 0")
    program("nginx", "exit 0")
    return program


def test_a_healthy_host_has_none(programs):
    assert app_findings.of_host() == []


def test_what_is_wrong_with_a_host_is_said(programs, tmp_path, monkeypatch):
    programs("systemctl", "exit 3")
    programs("nginx", "echo 'nginx: [emerg] unknown directive \"x\" in /etc/nginx/conf.d/x.conf:1' >&2; exit 1")
    (tmp_path / "owed").touch()
    monkeypatch.setattr(app_findings, "DISKS", (str(tmp_path), str(tmp_path / "nowhere")))
    monkeypatch.setattr(app_findings, "SPARE", 1.1)
    found = {finding["code"]: finding["meaning"] for finding in app_findings.of_host()}
    assert set(found) == {"nginx-down", "nginx-refuses", "reload-owed", "disk"}
    assert found["nginx-refuses"].endswith('unknown directive "x" in /etc/nginx/conf.d/x.conf:1')


def test_folders_of_one_disk_are_told_of_together(tmp_path, monkeypatch):
    monkeypatch.setattr(app_findings, "DISKS", (str(tmp_path), "/proc", f"{tmp_path}/none", str(tmp_path.parent)))
    here, proc = app_findings.disks()
    assert here["folders"] == [str(tmp_path), str(tmp_path.parent)] and 0 < here["free"] <= here["size"]
    assert proc == {"folders": ["/proc"], "free": 0, "size": 0}
    line = app_findings.disk_line({"folders": ["/var/www", "/opt"], "free": 5 * 2**30, "size": 20 * 2**30})
    assert line == "disk of /var/www, /opt: 5 of 20 GiB are free"


def test_the_runbook_has_an_entry_for_each_code_and_for_no_other():
    files = (app_findings.__file__, app_health.__file__)
    text = "".join(Path(file).read_text(encoding="utf-8") for file in files)
    codes = set(re.findall(r'\bfinding\(\s*(?:app|""),\s*"([a-z-]+)"', text))
    assert len(codes) > 12
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", runbook, re.MULTILINE)) == codes
