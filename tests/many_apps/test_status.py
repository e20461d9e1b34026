"""How the apps are, for people and for monitors: from the controller and on the host."""

import json
import subprocess

import pytest
from conftest import HOST, redis
from plays import live, on, until


def shown(*words):
    """What flask-app says, and its exit status."""
    *lines, status = on(HOST, f"flask-app {' '.join(words)}; echo $?").splitlines()
    return lines, int(status)


def test_an_app_that_is_well_is_shown_with_what_serves(timed):
    for _ in range(30):
        on(HOST, "curl -s -H 'Host: jobs.test' localhost")
    lines, status = shown()
    assert status == 0, lines
    for part in (live(HOST, "jobs"), "up", "hands 2/2", "clock 1/1", "digest 20", "MiB", "@"):
        assert part in lines[1], part
    seen = json.loads("\n".join(shown("--json")[0]))
    (row,) = seen["apps"]
    assert row["requests_per_second"] >= 0.1 and row["errors"] == 0 and seen["findings"] == []
    assert (row["busy"], row["threads"], row["queue"]) == (0, 4, 0) and " 0/4 " in lines[1]
    (disk,) = seen["disks"]
    assert "/var/www" in disk["folders"] and f"{disk['free'] // 2**30} of {disk['size'] // 2**30} GiB" in lines[2]
    assert row["origin"]["path"] == str(timed.folder)
    run = timed.play("status")
    assert (
        run.status == 0
        and live(HOST, "jobs") in run.output
        and "hands 2/2" in run.output
        and "GiB are free" in run.output
    )
    assert run.changed == [0]


# An app may name its sockets as it likes: for ss(8), this one has two lines, and the second is about another app.
FORGED = r"""
import os, socket, sys, time
path = f"x\nu_str LISTEN 99 128 {sys.argv[1]}"
os.makedirs(os.path.dirname(path))
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(10)
clients = [socket.socket(socket.AF_UNIX) for _ in range(5)]
for client in clients:
    client.connect(path)
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_threads_that_are_busy_and_requests_that_wait_are_those_of_the_app(jobs):
    def figures():
        (row,) = json.loads("\n".join(shown("--json")[0]))["apps"]
        return row["busy"], row["queue"]

    socket = on(HOST, "readlink -f /var/www/jobs/jobs_uwsgi.sock").strip()
    folder = "rm -rf /tmp/forged && mkdir -m 777 /tmp/forged && cd /tmp/forged"
    command = f"{folder} && exec setpriv --reuid nobody --clear-groups python3 -u - {socket}"
    argv = ["docker", "exec", "-i", HOST, "sh", "-c", command]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forger:
        forger.stdin.write(FORGED)
        forger.stdin.close()
        pid = int(forger.stdout.readline())
        assert f"LISTEN 99 128 {socket}" in on(HOST, "ss -xl")
        assert figures() == (0, 0)
        on(HOST, "for _ in 1 2 3 4 5 6; do curl -s -H 'Host: jobs.test' localhost/slow/8 >/dev/null 2>&1 & done")
        until(lambda: figures() == (4, 2))
        assert " 4/4   2 " in shown()[0][1], "to look adds nothing to what waits"
        until(lambda: figures() == (0, 0))
        on(HOST, f"kill {pid}; rm -rf /tmp/forged")


BROKEN = {
    "worker-down": "systemctl stop 'emperor-worker-jobs-hands-*-1.service'",
    "timer-down": "systemctl stop emperor-timer-jobs-digest.timer",
    "emperor-down": "systemctl stop uwsgi-emperor@jobs",
    "vassal-down": "rm /var/www/jobs/run/*.sock",
    "socket": "chmod 600 $(readlink -f /var/www/jobs/jobs_uwsgi.sock)",
    "site": "rm /etc/nginx/conf.d/*jobs*.conf",
    "leftover": "cd /etc/uwsgi/vassals/jobs && cp --preserve *.ini 0123456789ab.999.ini",
    "drift": "chmod 600 /etc/nginx/nginx.conf",
    "outdated": "file=$(readlink -f /usr/lib/*-linux-gnu/libz.so.1) && cp --preserve $file $file.new && mv $file.new $file",
    "nginx-down": "systemctl stop nginx",
    "nginx-refuses": "echo nonsense >/etc/nginx/conf.d/theirs.conf",
    "reload-owed": "touch /var/lib/emperor-flask/nginx-reload-owed",
}


def told(*words):
    """What flask-app finds."""
    return json.loads("\n".join(shown("--json", *words)[0]))["findings"]


def findings(*words):
    """The same, by code."""
    return {finding["code"]: finding for finding in told(*words)}


@pytest.mark.parametrize(("code", "harm"), BROKEN.items(), ids=BROKEN)
def test_what_is_wrong_is_found_and_what_it_says_mends_it(timed, code, harm):
    assert shown("--doctor")[1] == 0
    on(HOST, harm)
    found = findings("--doctor")[code]
    run = timed.refused(f"[{code}]", playbook="doctor")
    assert found["remedy"].split(";")[0] in " ".join(run.output.split())
    for remedy in [finding["remedy"] for finding in told("--doctor") if finding["code"] == code]:
        if remedy.startswith("ansible-playbook emperor.flask."):
            playbook = remedy.split()[1].removeprefix("emperor.flask.")
            assert timed.play(playbook).status == 0
        elif remedy.startswith("correct that file"):
            on(HOST, "rm /etc/nginx/conf.d/theirs.conf && nginx -t")
        else:
            on(HOST, remedy)
    until(lambda: shown("--doctor")[1] == 0)
    assert timed.play("doctor").status == 0


def test_an_app_that_runs_but_is_not_healthy_is_found_by_the_doctor_alone(jobs):
    redis("set", "ill", "yes")
    assert shown()[1] == 0
    assert findings("--doctor")["health"]["meaning"] == "it answers its health request, /, with 500"
    jobs.refused("[health]; to mend it: sudo flask-app jobs logs", playbook="doctor")
    redis("del", "ill")
    assert shown("--doctor")[1] == 0


def test_a_process_that_was_killed_is_found_for_an_hour(jobs):
    children = "ps -o pid= --ppid"
    emperor = "$(systemctl show --property=MainPID --value uwsgi-emperor@jobs)"
    live = f"$({children} {emperor} | tail -n 1)"  # an older one may be finishing its requests
    on(HOST, f"kill -KILL $({children} {live} | head -n 1)")
    until(lambda: "killed" in findings())
    assert "DAMN ! worker" in on(HOST, findings()["killed"]["remedy"].removeprefix("sudo "))
    on(HOST, "truncate --size 0 /var/log/uwsgi/jobs/jobs_uwsgi.log")
    assert "killed" not in findings()


def test_a_timer_whose_command_failed_is_found_until_it_has_run(jobs):
    jobs.entry["timers"] = [{"name": "check", "command": "echo no such thing; exit 3", "schedule": "*:*:0/5"}]
    jobs.deploy()
    found = {}  # while the command runs again, it has not failed
    until(lambda: found.update(findings()) or "timer-failed" in found)
    assert "no such thing" in on(HOST, found["timer-failed"]["remedy"])
    jobs.refused("jobs: timer check failed when it last ran (exit-code) [timer-failed]", playbook="status", app="jobs")
    jobs.entry["timers"] = [{"name": "check", "command": "true", "schedule": "*:*:0/5"}]
    jobs.deploy()
    until(lambda: shown()[1] == 0)


def test_a_worker_that_ends_again_and_again_is_found(jobs):
    jobs.entry["workers"] = [{"name": "short", "command": "sleep 1", "check": 0}]
    jobs.deploy()
    until(lambda: "worker-restarts" in findings())


def test_an_app_that_is_closed_is_shown_so_and_an_unknown_one_is_refused(jobs):
    jobs.play("maintenance", app="jobs", state="on")
    assert "closed" in shown()[0][1]
    jobs.play("maintenance", app="jobs", state="off")
    jobs.refused("-e apps=... is nothing that this playbook takes; did you mean app?", playbook="doctor", apps="jobs")
    jobs.refused("there is no app 'job' on this host; there are: jobs", playbook="status", app="job")
