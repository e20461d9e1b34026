"""How apps are, read from what systemd, the kernel and nginx's log say."""

import os
import socket
import time

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import app_status, moments, unix_sockets


@pytest.mark.parametrize("zone", ["+02:00", "-05:30", "+00:00"])
def test_a_moment_of_the_log_is_read_in_its_zone(zone):
    hours = (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[4:]) * 60)
    assert moments.seconds(f"2026-02-28T12:00:00{zone}") == 1772280000 - hours
    assert moments.seconds("yesterday") is None


def test_somebody_listens_only_behind_a_socket_that_is_no_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("live.sock")
        server.listen()
        assert app_status._listens("live.sock")
        os.symlink("live.sock", "link.sock")
        assert not app_status._listens("link.sock")
    assert not app_status._listens("live.sock"), "nobody accepts any more"
    (tmp_path / "file.sock").write_text("")
    assert not app_status._listens("file.sock") and not app_status._listens("gone.sock")


def test_workers_and_timers_are_those_that_are_to_run():
    worker = r"emperor-worker-my\x2dshop-mail\x2dout-ab12.7-{}.service"
    timer = r"emperor-timer-my\x2dshop-digest.timer"
    wanted = [worker.format(1), worker.format(2), timer, "emperor-worker-shop-mail-ab12.7-1.service"]
    units = {
        **{unit: {"ActiveState": "active"} for unit in wanted},
        worker.format(2): {"ActiveState": "activating", "NRestarts": "3"},
        timer: {
            "ActiveState": "active",
            "LastTriggerUSec": "Mon 2026-11-30 06:00:00 UTC",
            "NextElapseUSecRealtime": "n/a",
        },
        timer.replace(".timer", ".service"): {"Result": "exit-code"},
    }
    workers, timers = app_status._background("my-shop", wanted, units)
    assert workers == [{"name": "mail-out", "processes": 2, "running": 1, "restarts": 3}]
    assert timers == [{"name": "digest", "waits": True, "last": 1796018400, "next": None, "result": "exit-code"}]


def test_the_table_has_a_line_for_each_app():
    row = {
        "app": "shop",
        "release": "ab12",
        "web": "up",
        "threads": 8,
        "busy": 3,
        "queue": 12,
        "certificate_days": 80,
        "since": 0,
        "by": None,
        "requests_per_second": 1.5,
        "errors": 2,
        "memory": 2**27,
        "memory_limit": 2**29,
        "lock": "anna@laptop",
        "closed": True,
        "workers": [{"name": "mail", "running": 1, "processes": 2}],
        "timers": [{"name": "digest", "next": None}, {"name": "check", "next": 1796018400}],
    }
    due = time.strftime("%Y-%m-%d %H:%M", time.localtime(1796018400))
    head, line = app_status.table([row])
    assert head.split() == list(app_status.HEADINGS)
    for part in (
        "shop",
        "ab12",
        "closed, releasing: anna@laptop",
        "mail 1/2",
        f"digest never, check {due}",
        " 3/8   12 ",
        "1.5",
        "128/512 MiB",
        "80 days",
    ):
        assert part in line


@pytest.mark.parametrize(
    ("lines", "threads"),
    [
        ("processes = 2\nthreads = 4", 8),
        ("processes = 2\nthreads = 4\nworkers=3", 12),
        ("processes = %k\nthreads = 4", 4 * os.cpu_count()),
        ("processes = 2\ngevent = 1010", 2020),
        ("threads = 4", 4),
        ("", 1),
        ("processes = $(CORES)", None),
    ],
)
def test_how_much_a_release_can_have_in_hand_is_what_its_configuration_says(tmp_path, lines, threads):
    (tmp_path / "uwsgi.ini").write_text(f"[uwsgi]\n; threads = 9\n{lines}\n")
    assert app_status._threads(str(tmp_path / "uwsgi.ini")) == threads
    assert app_status._threads(str(tmp_path / "gone.ini")) is None


def test_an_app_is_shown_where_the_kernel_does_not_tell_of_sockets(tmp_path, monkeypatch):
    monkeypatch.setattr(app_status, "HOMES", str(tmp_path))
    monkeypatch.setattr(app_status, "_units", lambda asked: {unit: {} for unit in asked})

    def in_hand(paths):
        raise OSError("no such diagnostics")

    def status(asked=in_hand):
        with monkeypatch.context() as patched:
            patched.setattr(unix_sockets, "in_hand", asked)
            return app_status.status(["shop"], {})

    (row,) = status()
    assert (row["release"], row["web"], row["busy"], row["queue"]) == ("", "down", None, None)
    assert " -  " in app_status.table([row])[1]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/current").symlink_to("releases/ab12")  # it is being taken away
    (row,) = status()
    assert (row["release"], row["since"], row["threads"]) == ("ab12", None, None)
    (tmp_path / "shop/releases/ab12").mkdir(parents=True)
    for moment, since in ((0, None), (1, None), (1796015615, 1796015615)):
        os.utime(tmp_path / "shop/releases/ab12", (moment, moment))
        (row,) = status()
        assert row["since"] == since
    (row,) = status(lambda paths: dict.fromkeys(paths, (12, 8)))
    assert (row["web"], row["busy"], row["queue"]) == ("up", 8, 12)
    (row,) = status(lambda paths: {})
    assert (row["web"], row["busy"], row["queue"]) == ("down", None, None)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path / "shop")
        server.bind("live.sock")
        server.listen()
        os.symlink("live.sock", "shop_uwsgi.sock")
        (row,) = status()
        assert (row["web"], row["busy"]) == ("up", None)
        server.accept()[0].close()
        (row,) = app_status.status(["shop"], {})
        assert (row["web"], row["busy"], row["queue"]) == ("up", 0, 0)
        (row,) = app_status.status(["shop"], {})
        assert row["queue"] == 0, "to look adds nothing to what is seen"


def test_only_what_is_an_apps_counts_as_one(tmp_path, monkeypatch):
    """Others keep inis of their own in the tutorial's folder, and flask_app_prune must not take them for apps."""
    monkeypatch.setattr(app_status, "APPS", str(tmp_path / "vassals"))
    monkeypatch.setattr(app_status, "HOMES", str(tmp_path / "www"))
    assert app_status.names() == []
    for name in ("shop", "my-app", "theirs.ini", "theirs"):
        (tmp_path / "vassals" / name).mkdir(parents=True)
    for name in ("shop", "my-app", "theirs.ini"):
        (tmp_path / "www" / name / "releases").mkdir(parents=True)
    assert app_status.names() == ["my-app", "shop"]


@pytest.mark.parametrize(
    ("made_of", "tasks", "web"), [({"idle": 900}, "2", "asleep"), ({"idle": 900}, "5", "up"), ({}, "2", "up")]
)
def test_an_app_that_may_sleep_sleeps_where_nothing_of_it_runs_but_emperor_and_master(made_of, tasks, web):
    assert app_status._web(made_of, {"TasksCurrent": tasks}) == web
    assert app_status._manifest("nowhere") == {}


def test_processes_that_were_killed_in_the_last_hour_are_counted_by_uwsgis_own_lines(tmp_path):
    log = tmp_path / "shop_uwsgi.log"
    assert app_status._killed(str(log)) == 0
    stamps = [time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(time.time() - ago)) for ago in (4000, 3000, 10)]
    lines = [f"{stamp} - DAMN ! worker 1 (pid: 7) died, killed by signal 9 :( trying respawn ..." for stamp in stamps]
    log.write_text("\n".join([*lines, f"{stamps[2]} ab12.1 4f2a {lines[2]}", "DAMN ! worker 1 (pid: 7)"]) + "\n")
    assert app_status._killed(str(log)) == 2


def test_what_stands_beside_the_live_vassal_is_left_over(tmp_path, monkeypatch):
    monkeypatch.setattr(app_status, "APPS", str(tmp_path))
    (tmp_path / "shop").mkdir()
    for name in ("ab12.1.ini", "ab12.2.ini", "notes.txt"):
        (tmp_path / "shop" / name).touch()
    assert app_status._leftovers("shop", "ab12.2.sock") == ["ab12.1"]
    assert app_status._leftovers("blog", "") == []


def test_a_socket_that_its_group_may_not_use_is_out_of_reach(tmp_path):
    path = tmp_path / "ab12.1.sock"
    assert app_status._is_reachable(str(path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        path.chmod(0o660)
        assert app_status._is_reachable(str(path))
        path.chmod(0o600)
        assert not app_status._is_reachable(str(path))
