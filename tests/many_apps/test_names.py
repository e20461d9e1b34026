"""Names with dashes, which systemd writes in another way: workers and timers of such an app, and of its neighbour."""

from conftest import HOST
from plays import live, on, until
from test_removal import light

SLEEP = {"name": "send-mail", "command": "sleep 86400", "check": 1, "stop_timeout": 5}


def entry(name, timers):
    """A small app with a worker and timers that note that they ran."""
    return light(name, shared=["kept"], workers=[SLEEP], timers=timers)


def test_an_app_its_worker_and_its_timers_may_have_dashes_and_its_neighbour_is_left_alone(jobs):
    note = 'echo "$FLASK_APP 100% of it" >>/var/www/my-app/shared/kept/notes; sleep 3'
    timers = [
        {"name": f"tidy-{overlap}", "command": note, "schedule": "*:*:0/2", "overlap": overlap}
        for overlap in ("queue", "kill")
    ]
    jobs.others = [entry("my-app", timers), entry("my", [])]
    jobs.deploy()
    worker = "emperor-worker-my?x2dapp-send?x2dmail-{}.*"
    assert on(HOST, f"systemctl is-active '{worker.format(live(HOST, 'my-app'))}'") == "active\n"
    until(lambda: on(HOST, "cat /var/www/my-app/shared/kept/notes", check=False).count("plain:app 100% of it\n") > 2)
    until(lambda: on(HOST, "ls /run/emperor-flask/queued"))
    for timer in timers:
        said = on(
            HOST, f"journalctl --unit 'emperor-timer-my*-tidy*{timer['overlap']}-due.service' --no-pager --since -1m"
        )
        assert "Failed" not in said and "Deactivated successfully" in said
    lines = on(HOST, "flask-app my-app").splitlines()
    assert "send-mail 1/1" in lines[1] and "tidy-kill" in lines[1] and "tidy-queue" in lines[1]
    jobs.others = [{"name": "my-app", "state": "absent", "keep_shared": False}, entry("my", [])]
    jobs.deploy()
    assert on(HOST, "ls /etc/systemd/system | grep 'my.x2dapp'", check=False) == ""
    assert on(HOST, f"systemctl is-active 'emperor-worker-my-send*{live(HOST, 'my')}*'") == "active\n"
    jobs.others = [{"name": "my", "state": "absent", "keep_shared": False}]
    jobs.deploy()
    jobs.others = []
