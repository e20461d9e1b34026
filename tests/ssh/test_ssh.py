"""All that an operator does with an app, over SSH and as root by a password: first run, unchanged run, release, rollback, removal."""

import pytest
from conftest import HOSTS
from plays import FLEET, App, every_file, live, on, touched

PROGRAM = """
import subprocess, sys, sysconfig
# A build that executes what it has compiled, in the place for temporary files.
import os, stat, tempfile
from setuptools import setup
with tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False) as file:
    file.write("#!/bin/sh\\necho ran")
os.chmod(file.name, stat.S_IRWXU)
assert subprocess.run([file.name], stdout=subprocess.PIPE, text=True).stdout == "ran\\n"
setup(name="built", version="1", py_modules=["built"])
"""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """An app with a package that is built, on both hosts."""
    app = App("shop", tmp_path_factory.mktemp("apps") / "shop", FLEET, processes=1, threads=4, shared=["instance"])
    built = app.folder / "built"
    built.mkdir()
    (built / "setup.py").write_text(PROGRAM)
    (built / "built.py").touch()
    with (app.folder / "requirements.txt").open("a") as packages:
        packages.write("./built\n")
    return app


def answers():
    """What the app answers on each host."""
    return {host: on(host, "curl -s -H 'Host: shop.test' localhost") for host in HOSTS}


def test_hosts_are_what_they_are_for():
    for host in HOSTS:
        assert on(host, "findmnt -n -o OPTIONS /var/tmp | grep -c noexec") == "1\n"
        assert on(host, "su - deploy -c umask") == "0077\n"


def test_a_plan_of_bare_hosts_touches_nothing(app):
    before = {host: every_file(host) for host in HOSTS}
    app.entry["system_packages"] = ["cowsay"]  # nobody has fetched a package list here
    run = app.play("site", "--check", "--diff")
    del app.entry["system_packages"]
    assert run.status == 0, run.output
    for host in HOSTS:
        assert f"shop on {host}: would be released: it is new on this host" in run.output
    assert [touched(before[host], every_file(host)) for host in HOSTS] == [{}, {}]


def test_the_first_run_serves_and_the_second_changes_nothing(app):
    run = app.play("site")
    assert run.status == 0, run.output
    assert answers() == dict.fromkeys(HOSTS, "shop 1")
    run = app.play("site")
    assert run.status == 0 and run.changed == [0, 0], run.output


def test_debians_uwsgi_can_be_installed_beside_ours(app):
    packages = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends uwsgi uwsgi-emperor"
    for host in HOSTS:
        on(host, packages)
        on(host, "mkdir -p /var/log/uwsgi/app; touch /var/log/uwsgi/app/theirs.log /var/log/uwsgi/emperor.log")
        said = on(host, "logrotate --debug /etc/logrotate.conf 2>&1").splitlines()
        assert [line for line in said if line.startswith("error:")] == []
        considered = [line.split()[-1] for line in said if line.startswith("considering log /var/log/uwsgi/")]
        ours = {f"/var/log/uwsgi/shop/{log}.log" for log in ("shop_uwsgi", "emperor")}
        assert sorted(considered) == sorted({*ours, "/var/log/uwsgi/app/theirs.log", "/var/log/uwsgi/emperor.log"})
    run = app.play("site")
    assert run.status == 0 and run.changed == [0, 0], run.output
    assert answers() == dict.fromkeys(HOSTS, "shop 1")


def test_a_release_and_a_rollback(app):
    first = {host: live(host) for host in HOSTS}
    (app.folder / "VERSION").write_text("two\n")
    app.deploy()
    assert answers() == dict.fromkeys(HOSTS, "shop two")
    app.rollback()
    assert answers() == dict.fromkeys(HOSTS, "shop 1") and {host: live(host) for host in HOSTS} == first


def test_an_app_is_taken_away(app):
    app.entry = {"name": "shop", "state": "absent"}
    assert "shop on emperor-ssh-su: taken away" in app.deploy().output
    assert on("emperor-ssh-su", "id shop; ls /var/www | grep shop", check=False) == ""
