"""An app that is rarely asked sleeps: its workers end, the next request wakes it, and nobody is refused. What is released, goes back or is looked at meanwhile
is as with any app."""

import json
import subprocess
import threading

import pytest
from conftest import HOST
from plays import App, live, on, until

IDLE = 10  # seconds
ASK = "curl -s -o /dev/null -w '%{http_code} ' -H 'Host: rare.test' localhost"


def processes():
    """How many processes of uWSGI's run for the app: its Emperor, the master, and its workers, if it is awake."""
    return int(on(HOST, "systemctl show --property=TasksCurrent --value uwsgi-emperor@rare"))


def sleeps():
    """Tell whether it sleeps, by what flask-app shows, which wakes nobody."""
    return row()["web"] == "asleep"


def row():
    """How it is."""
    return json.loads(on(HOST, "flask-app --json rare", check=False))["apps"][0]


def answers(number=1, path="/"):
    """The statuses of so many requests at once."""
    return on(HOST, f"seq {number} | xargs -P {number} -I @ {ASK}{path}").split()


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """An app that may sleep, with a worker; gone in the end."""
    app = App("rare", tmp_path_factory.mktemp("idle") / "rare", [HOST], processes=2, threads=16, idle=f"{IDLE}s")
    app.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    yield app
    app.entry = {"name": "rare", "state": "absent", "keep_shared": False}
    app.deploy()


@pytest.fixture
def asleep(rare):
    """The app, once it sleeps."""
    until(sleeps)
    return rare


def test_what_sleeps_gives_its_memory_back_and_the_next_request_is_answered(rare):
    assert answers() == ["200"]
    awake, memory = processes(), row()["memory"]
    until(sleeps)
    assert processes() == 2 < awake
    assert row()["memory"] < memory / 2
    assert "no request for 10 s: the app sleeps" in on(HOST, "cat /var/log/uwsgi/rare/rare_uwsgi.log")
    assert answers() == ["200"]
    until(lambda: processes() == awake)
    assert row()["web"] == "up"


def test_as_many_as_come_at_once_wake_it_together_and_its_log_is_rotated_meanwhile(asleep):
    on(HOST, "logrotate --force /etc/logrotate.d/emperor-flask")
    assert answers(20) == ["200"] * 20
    until(lambda: "the app sleeps until the next one" in on(HOST, "cat /var/log/uwsgi/rare/rare_uwsgi.log"))


def test_nobody_is_refused_in_the_seconds_in_which_it_falls_asleep(asleep):
    """Requests that come ever later after the one before, until one comes to an app that sleeps."""
    for tenth in range(5, 30, 8):
        on(HOST, f"sleep {IDLE + tenth / 10}")
        assert answers(4) == ["200"] * 4, tenth


def test_a_request_that_takes_longer_keeps_it_awake(rare):
    assert answers(1, f"/sleep/{IDLE + 4}") == ["200"]


def test_a_look_wakes_nobody_and_finds_nothing(asleep):
    for playbook in ("status", "doctor"):
        run = asleep.play(playbook)
        assert run.status == 0, run.output
    assert "asleep" in asleep.play("status", app="rare").output
    run = asleep.deploy()
    assert run.changed == [0] and sleeps()


def test_what_sleeps_and_was_killed_is_found_and_served_again(asleep):
    on(HOST, "rm /var/www/rare/run/*.sock")
    told = json.loads(on(HOST, "flask-app --json rare", check=False))
    assert [finding["code"] for finding in told["findings"]] == ["vassal-down"]
    asleep.deploy()
    assert answers() == ["200"] and row()["web"] == "up"


def test_a_release_and_a_rollback_of_what_sleeps_lose_nothing(asleep):
    before, statuses, over = live(HOST, "rare"), [], threading.Event()

    def ask():
        while not over.is_set():
            statuses.extend(answers(4))

    (asleep.folder / "VERSION").write_text("another\n")
    asleep.deploy()
    assert live(HOST, "rare") != before and "another" in on(HOST, "curl -s -H 'Host: rare.test' localhost")
    until(sleeps)
    asker = threading.Thread(target=ask)
    asker.start()
    asleep.rollback()
    over.set()
    asker.join()
    assert live(HOST, "rare") == before and set(statuses) == {"200"}
    until(sleeps)
    asleep.deploy()
    assert live(HOST, "rare") != before and answers() == ["200"]


def test_a_restart_of_its_emperor_wakes_it(asleep):
    on(HOST, "systemctl restart uwsgi-emperor@rare")
    until(lambda: answers() == ["200"])


def test_an_open_stream_keeps_it_awake(rare):
    rare.entry["streams"] = 2
    rare.deploy()
    del rare.entry["streams"]
    argv = [
        "docker",
        "exec",
        HOST,
        "timeout",
        str(3 * IDLE),
        "curl",
        "-sN",
        "-H",
        "Host: rare.test",
        "localhost/events",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as stream:
        stream.stdout.readline()
        on(HOST, f"sleep {IDLE + 4}")
        assert row()["web"] == "up" and stream.poll() is None
        assert "Gracefully" not in on(HOST, "tac /var/log/uwsgi/rare/rare_uwsgi.log | sed /VACUUM/q"), (
            "a worker without a stream ended"
        )
    until(sleeps)


def test_a_thread_of_the_apps_that_never_ends_keeps_nobody_awake(rare):
    rare.entry["env"] = {"RARE_THREAD": "1"}
    rare.deploy()
    del rare.entry["env"]
    assert answers() == ["200"]
    until(sleeps)
    assert answers(4) == ["200"] * 4


def test_greenlets_sleep_too(rare):
    kept = rare.entry
    rare.entry = {key: value for key, value in kept.items() if key != "threads"} | {"concurrency": "gevent"}
    packages = rare.folder / "requirements.txt"
    text = packages.read_text()
    packages.write_text(f"{text.strip()}\ngevent==26.9.0\n")
    try:
        rare.deploy()
        until(sleeps)
        assert answers(20) == ["200"] * 20
    finally:
        packages.write_text(text)
        rare.entry = kept
