"""Whatever is killed comes back, and a host that restarts serves again."""

import pytest
from conftest import docker, eventually

HELLO = (200, "Hello World!")


def workers(host, master):
    """Process ids of a vassal's workers."""
    return host.run(f"pgrep --parent {master}").stdout.split()


@pytest.fixture
def vassal(host, main_pid):
    """Process id of the live vassal of demoapp."""
    return host.check_output(f"pgrep --parent {main_pid('demoapp')}").split()[-1]


@pytest.mark.parametrize("victim", ["worker", "vassal", "emperor"])
def test_a_killed_process_is_replaced(door, host, main_pid, vassal, victim):
    pid = {"worker": workers(host, vassal)[0], "vassal": vassal, "emperor": main_pid("demoapp")}[victim]
    before = set(host.check_output("pgrep --uid demoapp").split())
    host.check_output(f"kill -9 {pid}")
    eventually(lambda: pid not in host.run("pgrep --uid demoapp").stdout.split())
    door.wait_for(HELLO)
    eventually(lambda: len(host.run("pgrep --uid demoapp").stdout.split()) == len(before))


def test_everything_is_back_after_a_restart_of_the_host(door, container, host):
    release = host.check_output("readlink /var/www/demoapp/demoapp_uwsgi.sock")
    docker("restart", container)
    door.wait_for(HELLO)
    door.wait_for((200, "known to echo alone"), "/environment", "echo.test")
    assert host.check_output("readlink /var/www/demoapp/demoapp_uwsgi.sock") == release
    assert door.ask("/", "notes.example.com")[0] == 200
