"""Whatever runs code of an app runs it as an account without rights, in the app's slice, and reaches nothing beside."""

import json

import pytest
from conftest import REPORT, each_host, exposure, report
from plays import HOSTS, on, until

OWN = {"own_secrets", "what_survives_releases", "named_socket"}  # what the app may reach; its builds may not
CODE, VENV = "/var/www/hostile/current/code", "/var/www/hostile/current/venv"


def reached(seen):
    """The attempts that nothing has stopped."""
    return {name for name, outcome in seen["attempts"].items() if outcome == "done" or outcome.startswith("seen")}


def assert_boxed(seen, user, unit):
    """It ran as this account, with its umask, in a unit of the app's slice."""
    assert seen["user"] == user
    group = seen["group"].split("/")
    assert group[0] == "emperor-hostile.slice"
    assert group[1].startswith(unit), group


@each_host
def test_a_worker_reaches_its_own(hostile, host):
    seen = json.loads(hostile.run(host, "import attempts, json; result = json.dumps(attempts.report())"))
    assert_boxed(seen, "hostile", "uwsgi-emperor@hostile.service")
    assert (seen["umask"], reached(seen)) == ("027", OWN)


@pytest.mark.parametrize("when", ["before_switch", "after_switch"])
def test_a_hook_reaches_its_own(hostile, when):
    seen = report(HOSTS[0], f"{REPORT}/{when}.json")  # once over the fleet
    assert_boxed(seen, "hostile", f"emperor-{when}-hostile-")
    assert (seen["umask"], reached(seen)) == ("027", OWN)


@each_host
def test_a_command_reaches_its_own(hostile, host):
    on(host, f"flask-app hostile python attempts.py {REPORT}/command.json")
    seen = report(host, f"{REPORT}/command.json")
    assert_boxed(seen, "hostile", "emperor-command-hostile-")
    assert (seen["umask"], reached(seen)) == ("027", OWN)


@each_host
def test_a_build_hook_reaches_nothing(hostile, host):
    seen = report(host, f"{CODE}/built.json")
    assert_boxed(seen, "_hostile", "emperor-build-hostile.service")
    assert (seen["umask"], reached(seen)) == ("027", set())


@each_host
def test_the_build_of_a_package_reaches_nothing(hostile, host):
    seen = report(host, f"{VENV}/share/package.json")
    assert_boxed(seen, "_hostile", "emperor-build-hostile.service")
    assert (seen["umask"], reached(seen)) == ("022", set())


@each_host
def test_what_was_built_is_roots_alone(hostile, host):
    """A build hook has left folders and files there that all may write, and a link to the system's byte-code."""
    assert (
        on(host, f"find {CODE}/ {VENV}/ ! -type l \\( ! -user root -o ! -group root -o -perm /022 -o -perm /7000 \\)")
        == ""
    )
    assert "base64.py" in on(host, f"ls {CODE}/")
    assert on(host, "python3 -c 'import base64; print(hasattr(base64, \"MINE\"))'") == "False\n"
    assert on(host, f"find {CODE}/ -name __pycache__ -type l") == ""


@each_host
def test_nothing_that_a_build_started_runs_on(hostile, host):
    assert on(host, "ps -eo user:20=,args= | grep -E '^_hostile|sleep 333[3]'", check=False) == ""
    assert on(host, "systemctl list-units --all --plain --no-legend 'emperor-build*' 'emperor-before*'") == ""


@each_host
def test_an_emperor_and_a_command_are_well_closed(hostile, host):
    on(host, "systemd-run --quiet --unit=command-to-look-at flask-app hostile sleep 60")
    try:
        until(lambda: on(host, "systemctl list-units --plain --no-legend 'emperor-command-hostile*'"))
        assert exposure(host, "emperor-command-hostile*") <= 2.0
        assert exposure(host, "uwsgi-emperor@hostile.service") <= 2.0
    finally:
        on(host, "systemctl stop command-to-look-at 'emperor-command-hostile*'")
    until(lambda: not on(host, "systemctl list-units --plain --no-legend 'emperor-command-hostile*'"))
