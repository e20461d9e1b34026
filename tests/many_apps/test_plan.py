"""A plan (`site --check --diff`) says what would become of each app, and why. It touches nothing."""

import shutil

from conftest import HANDS, HOST
from plays import CHECKOUT, every_file, on, touched
from test_removal import light

HALF = {"memory": "60%"}
SECRET = "s3cret of tomorrow"


def end_what_is_due():
    """What releases have left to systemd, such as taking the units of old workers away, is done now, not between two looks."""
    on(
        HOST,
        "for timer in $(systemctl list-units --plain --no-legend 'emperor-end-*.timer' | cut -d ' ' -f 1); do "
        'systemctl start "${timer%.timer}.service"; systemctl stop "$timer"; done',
    )


def test_a_plan_says_what_would_become_of_each_app_and_why_and_touches_nothing(jobs, tmp_path):
    code = tmp_path / "code"
    shutil.copytree(CHECKOUT / "examples/demoapp", code)
    moved = light("moved", module="hello:app", source={"path": str(code)}, requirements=["requirements.txt"])
    told = light("told", secrets={"KEY": "today"}, limits=HALF)
    apps = {app["name"]: app for app in (moved, told, light("fronted", limits=HALF), light("gone"))}
    jobs.others = list(apps.values())
    jobs.deploy()
    (code / "hello.py").write_text((code / "hello.py").read_text() + "\n")
    apps["moved"] |= {"requirements": []}
    apps["told"] |= {"env": {"CURRENCY": "EUR"}, "secrets": {"KEY": SECRET}}
    apps["fronted"] |= {"nginx_extra": "add_header X-One 1;"}
    apps["gone"] = {"name": "gone", "state": "absent"}
    jobs.others = [*apps.values(), light("new")]
    jobs.entry["workers"] = [{**HANDS, "processes": 1}]
    end_what_is_due()
    before = every_file(HOST)
    run = jobs.play("site", "--check", "--diff")
    after = every_file(HOST)
    assert run.status == 0, run.output
    said = " ".join(run.output.split())
    for line in (
        f"jobs on {HOST}: would be released: other workers",
        f"moved on {HOST}: would be released: other code, packages",
        f"told on {HOST}: would be released: other env (CURRENCY), secrets",
        f"fronted on {HOST}: would be released: other nginx.conf",
        f"gone on {HOST}: would be taken away",
        f"new on {HOST}: would be released: it is new on this host",
        f"limits.memory of the apps of {HOST} is",
    ):
        assert line in said, run.output
    assert "other timers" not in said and SECRET not in said
    assert touched(before, after) == {}
    jobs.others = []
