"""Apps that left the list go, when that is wanted, and what they kept can come back."""

import re

from conftest import HOST
from plays import FIXTURES, on

LIGHT = {
    "module": "plain:app",
    "source": {"path": str(FIXTURES / "plain")},
    "requirements": [],
    "processes": 1,
    "threads": 2,
}


def light(name, **more):
    """A small app, without a package."""
    return {**LIGHT, "name": name, "server_names": [f"{name}.test"], **more}


def test_apps_that_left_the_list_go_only_when_that_is_said_and_never_most_of_them(jobs):
    jobs.others = [light("one"), light("two", shared=["kept"]), light("three")]
    jobs.deploy()
    on(HOST, "flask-app two sh -c 'echo precious >/var/www/two/shared/kept/note'")
    jobs.others = [light("one")]
    assert jobs.deploy().changed == [0], "nobody said that they go"
    only = jobs.deploy(app="jobs", flask_app_prune="true")
    assert only.changed == [0], "one app alone was asked for"
    would = jobs.deploy("--check", flask_app_prune="true")
    assert f"two on {HOST}: would be taken away" in would.output
    assert f"three on {HOST}: would be taken away" in would.output
    left = "/var/lib/emperor-flask/archives/two-2026-01-02T030405.tar.gz.partial"  # by a run that died
    on(HOST, f"mkdir -p /var/lib/emperor-flask/archives && touch {left}")
    run = jobs.deploy(flask_app_prune="true")
    assert on(HOST, f"ls {left}", check=False) == ""
    assert on(HOST, "ls /etc/uwsgi/vassals").split() == ["jobs", "one"]
    assert on(HOST, "getent passwd two three _two; ls -d /var/www/two /var/log/uwsgi/two", check=False) == ""
    assert jobs.deploy(flask_app_prune="true").changed == [0]
    # What it kept comes back as the run says.
    jobs.others += [light("two", shared=["kept"])]
    jobs.deploy()
    assert on(HOST, "ls /var/www/two/shared/kept") == ""
    (restore,) = re.findall(
        r"this restores it: sudo (flask-app two tar .*?\.tar\.gz)", re.sub(r"\x1b\[[\d;]*m", "", run.output)
    )
    on(HOST, restore)
    assert on(HOST, "cat /var/www/two/shared/kept/note; stat -c %U /var/www/two/shared/kept/note") == "precious\ntwo\n"
    jobs.others = []
    jobs.refused(
        "flask_app_prune would take away 2 of the 3 apps of this host: one, two",
        "-e flask_app_prune_confirm=true",
        flask_app_prune="true",
    )
    assert on(HOST, "ls /etc/uwsgi/vassals").split() == ["jobs", "one", "two"]
    jobs.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    assert on(HOST, "ls /etc/uwsgi/vassals").split() == ["jobs"]


def test_shared_files_that_do_not_fit_are_not_lost(jobs):
    jobs.others = [light("one", shared=["kept"])]
    jobs.deploy()
    on(HOST, "flask-app one sh -c 'echo precious >/var/www/one/shared/kept/note'")
    on(
        HOST,
        "mkdir -p /var/lib/emperor-flask/archives && mount -t tmpfs -o size=4k tmpfs /var/lib/emperor-flask/archives",
    )
    try:
        on(HOST, "flask-app one sh -c 'head -c 100000 /dev/zero >/var/www/one/shared/kept/zeros'")
        jobs.others = [{"name": "one", "state": "absent"}]
        jobs.refused("its shared files are 0 MiB", "keep_shared: false")
        assert on(HOST, "curl -s -H 'Host: one.test' localhost") == "1 "
    finally:
        on(HOST, "umount /var/lib/emperor-flask/archives")
    jobs.others = [{"name": "one", "state": "absent", "keep_shared": False}]
    jobs.deploy()
    assert on(HOST, "ls /var/lib/emperor-flask/archives | grep one", check=False) == ""
    jobs.others = []
