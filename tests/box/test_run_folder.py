"""What an app does to its own folders and its own Emperor is its own release's problem, and never its neighbour's."""

import time

import pytest
from conftest import each_host
from plays import FLEET, HOSTS, nothing_lost, on

CLUTTER = """
import os
run = "/var/www/hostile/run/"
os.makedirs(run + "aa.1.sock/full")
os.symlink("/etc/shadow", run + "ab.2.sock")
os.mkfifo(run + "ac.3.sock")
open(run + "ab." + "9" * 90 + ".sock", "w").close()
for number in range({count}):
    os.close(os.open(f"{{run}}{{number:x}}.{{number}}.sock", os.O_CREAT | os.O_WRONLY))
"""
CLEAR = 'find /var/www/hostile/run -mindepth 1 ! -name emperor.stats ! -name "$(basename $(readlink /var/www/hostile/hostile_uwsgi.sock))" -delete'
EMPEROR = "int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])"
# In the background, until it is told to end: a listening socket of the abstract kind with a name of the neighbour's.
LISTEN = """
import subprocess
program = '''
import socket, sys, time
held = []
for name in sys.argv[1:]:
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].bind("\\\\0" + name)
    held[-1].listen()
time.sleep(600)
'''
subprocess.Popen(["python3", "-c", program, *{names!r}], start_new_session=True)
"""


def release(app, mark):
    """Change the app's code, and release it."""
    (app.folder / "VERSION").write_text(f"{mark}\n")
    return app.deploy()


def test_clutter_in_the_folder_of_sockets_disturbs_no_release(hostile, neighbour):
    for host in FLEET:
        assert hostile.run(host, CLUTTER.format(count=20000)) == "done"
    try:
        with nothing_lost(FLEET, 60):
            release(hostile, "cluttered")
            release(neighbour, "beside clutter")
        for host in FLEET:
            number = on(host, "readlink /var/www/hostile/hostile_uwsgi.sock").split(".")[1]
            assert int(number) < 100
    finally:
        for host in FLEET:
            on(host, CLEAR)


def test_a_stopped_emperor_is_named_and_the_neighbour_released(hostile, neighbour):
    for host in FLEET:
        assert hostile.run(host, f"import os, signal; os.kill({EMPEROR}, signal.SIGSTOP)") == "done"
    try:
        (hostile.folder / "VERSION").write_text("stopped\n")
        hostile.entry["health"]["timeout"] = 5
        with nothing_lost(FLEET, 60):
            run = hostile.refused("app 'hostile'", "is stopped by a signal; continue it with", "uwsgi-emperor@hostile")
            assert "Traceback" not in run.output
            release(neighbour, "beside a stopped Emperor")
    finally:
        for host in FLEET:
            on(host, "systemctl kill --signal=CONT uwsgi-emperor@hostile")
    release(hostile, "continued")


def test_a_socket_with_a_neighbours_name_keeps_none_of_its_releases(hostile, neighbour):
    neighbour.entry["keep_releases"] = 1
    release(neighbour, "to be pruned")
    for host in FLEET:
        old = on(host, "basename $(readlink /var/www/shop/shop_uwsgi.sock)").strip()
        path = f"/var/www/shop/run/{old}"
        line = f"x\n0000000000000000: 00000002 00000000 00010000 0001 01 12345 {path}"
        assert hostile.run(host, LISTEN.format(names=[path, f"x {path}", line])) == "done"
    release(neighbour, "that prunes")
    time.sleep(5)  # the old vassal has no request to finish
    release(neighbour, "once more")
    for host in FLEET:
        releases = on(host, "ls /var/www/shop/releases").split()
        assert len(releases) <= 2, releases  # the live one, and one whose vassal may still be finishing
        on(host, "pkill -KILL -u hostile -f 'import socket, sys'", check=False)


@each_host
def test_a_log_that_its_app_has_opened_to_all_is_closed_by_the_next_rotation(hostile, host):
    log = "/var/log/uwsgi/hostile/hostile_uwsgi.log"
    assert hostile.run(host, f"import os; os.chmod('{log}', 0o666)") == "done"
    on(host, "logrotate --force /etc/logrotate.d/emperor-flask")
    assert on(host, f"stat --format '%a %U %G' {log}").strip() == "640 hostile adm"


def test_a_candidate_that_is_killed_for_memory_is_refused_with_these_words(hostile):
    """On the first host: the kernel counts memory there."""
    hostile.hosts = HOSTS
    try:
        hostile.entry["limits"] = {"memory": "200M"}
        hostile.entry["env"] = {"HOSTILE_MEBIBYTES": "400"}
        with nothing_lost(FLEET, 60):
            run = hostile.refused("app 'hostile': the release", "was killed for memory", "limits.memory")
        assert "does not answer" not in run.output
    finally:
        hostile.hosts = FLEET


@pytest.fixture(scope="module")
def stuck(attacker):
    """The app, with a request that does not end, and with what it has started; then released anew. Returns when that was, by host."""
    attacker.entry["vassal_extra"] = {"attach-daemon": "sleep 8888"}
    release(attacker, "about to be stuck")
    for host in FLEET:
        attacker.run(host, "import subprocess; subprocess.Popen('exec setsid sleep 9999', shell=True)")
        on(
            host,
            "curl -s --max-time 3000 -H Host:hostile.test -d 'import time; time.sleep(3000)' http://127.0.0.1/run >/dev/null 2>&1 &",
        )
    old = {
        host: on(host, "systemctl show --property=MainPID --value uwsgi-emperor@hostile; pgrep -u hostile").split()
        for host in FLEET
    }
    del attacker.entry["vassal_extra"]
    release(attacker, "past it")
    return time.monotonic(), old


def test_nothing_is_left_of_an_old_vassal_when_its_mercy_is_over_and_it_is_said(stuck):
    released, old = stuck
    time.sleep(max(released + 90 - time.monotonic(), 0))
    for host in FLEET:
        emperor, *before = old[host]
        assert set(on(host, "pgrep -u hostile").split()) & set(before) <= {emperor}
        assert on(host, "pgrep -f 'sleep (8888|9999)'", check=False) == ""
        said = on(host, "cat /var/log/uwsgi/hostile/hostile_uwsgi.log; journalctl --no-pager -u 'emperor-end-hostile*'")
        assert said.count("sleep") >= 2, said
