"""An app that is rarely asked sleeps: its workers end, the next request wakes it, and nobody is refused. What is released, goes back or is looked at meanwhile
is as with any app. There are several, for it takes its time until one sleeps."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import HOST
from plays import FIXTURES, App, live, on, until

IDLE = 10  # seconds, the least that an app may have
MORE = {
    **{f"rare-{number}": {"threads": 16} for number in range(1, 4)},
    "stream": {"threads": 16, "streams": 2},
    "thread": {"threads": 16, "env": {"RARE_THREAD": "1"}},
    "green": {"concurrency": "gevent"},
}


class Rare(App):
    """An app that may sleep, with two workers."""

    def __init__(self, name, folder, **more):
        super().__init__(
            name, folder, [HOST], FIXTURES / "rare", module="rare:app", processes=2, idle=f"{IDLE}s", **more
        )
        (folder / "requirements.txt").write_text("gevent==26.9.0\n" if "concurrency" in more else "")

    def tasks(self):
        """How many processes of uWSGI's run for it: its Emperor, the master, and its workers, if it is awake."""
        return int(on(HOST, f"systemctl show --property=TasksCurrent --value uwsgi-emperor@{self.name}"))

    def row(self):
        """How it is, by what flask-app shows, which wakes nobody."""
        return json.loads(on(HOST, f"flask-app --json {self.name}", check=False))["apps"][0]

    def sleeps(self):
        """Tell whether it sleeps."""
        return self.row()["web"] == "asleep"

    def ask(self, number=1, path="/"):
        """The statuses of so many requests at once."""
        asked = f"curl -s -o /dev/null -w '%{{http_code}} ' -H 'Host: {self.name}.test' localhost{path}"
        return on(HOST, f"seq {number} | xargs -P {number} -I @ {asked}").split()

    def log(self):
        """What it has logged."""
        return on(HOST, f"cat /var/log/uwsgi/{self.name}/{self.name}_uwsgi.log")


@pytest.fixture(scope="module")
def apps(tmp_path_factory):
    """The apps by their names; gone in the end."""
    folder = tmp_path_factory.mktemp("idle")
    made = {name: Rare(name, folder / name, **more) for name, more in MORE.items()}
    first, *others = made.values()
    first.others = [app.entry for app in others]
    first.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    first.others = []
    yield made
    first.entry, *first.others = [{"name": name, "state": "absent", "keep_shared": False} for name in made]
    first.deploy()


@pytest.fixture
def asleep(apps):
    """One of them that sleeps; they are all the same, but for those that are called otherwise."""
    found = []
    until(lambda: found.extend(app for name, app in apps.items() if name.startswith("rare-") and app.sleeps()) or found)
    return found[0]


def test_what_sleeps_gives_its_memory_back_and_the_next_request_is_answered(apps):
    rare = apps["rare-1"]
    assert rare.ask() == ["200"]
    awake, memory = rare.tasks(), rare.row()["memory"]
    until(rare.sleeps)
    assert rare.tasks() == 2 < awake
    assert rare.row()["memory"] < memory / 2
    assert "no request for 10 s: the app sleeps" in rare.log()
    assert rare.ask() == ["200"]
    until(lambda: rare.tasks() == awake)
    assert rare.row()["web"] == "up"


def test_as_many_as_come_at_once_wake_it_together_and_its_log_is_rotated_meanwhile(asleep):
    on(HOST, "logrotate --force /etc/logrotate.d/emperor-flask")
    assert asleep.ask(20) == ["200"] * 20
    until(lambda: "the app sleeps until the next one" in asleep.log())


def test_nobody_is_refused_in_the_seconds_in_which_it_falls_asleep(apps):
    """Requests that come ever later after the one before, each to another app, from one that is awake to one that sleeps."""

    def ask_twice(number, app):
        before = app.ask()
        on(HOST, f"sleep {IDLE + number / 2}")
        return before + app.ask(4)

    others = [app for name, app in apps.items() if name != "stream"]
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(ask_twice, range(1, 6), others)) == [["200"] * 5] * 5


def test_a_request_that_takes_longer_and_an_open_stream_keep_it_awake(apps):
    stream, rare = apps["stream"], apps["rare-1"]
    until(stream.sleeps)
    logged = len(stream.log())
    argv = f"docker exec {HOST} timeout {3 * IDLE} curl -sN -H Host:stream.test localhost/events".split()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as open_stream:
        open_stream.stdout.readline()
        assert rare.ask(1, f"/sleep/{IDLE + 4}") == ["200"]
        assert stream.row()["web"] == "up" and open_stream.poll() is None
        open_stream.terminate()
    assert "Gracefully" not in stream.log()[logged:], "a worker without a stream ended"


def test_a_thread_of_the_apps_that_never_ends_keeps_nobody_awake(apps):
    until(apps["thread"].sleeps)
    assert apps["thread"].ask(4) == ["200"] * 4


def test_greenlets_sleep_too(apps):
    until(apps["green"].sleeps)
    assert apps["green"].ask(20) == ["200"] * 20


def test_a_restart_of_its_emperor_wakes_it(asleep):
    on(HOST, f"systemctl restart uwsgi-emperor@{asleep.name}")
    until(lambda: asleep.ask() == ["200"])


def test_what_sleeps_and_was_killed_is_found_and_served_again(asleep):
    on(HOST, f"rm /var/www/{asleep.name}/run/*.sock")
    told = json.loads(on(HOST, f"flask-app --json {asleep.name}", check=False))
    assert [finding["code"] for finding in told["findings"]] == ["vassal-down"]
    asleep.deploy()
    assert asleep.ask() == ["200"] and asleep.row()["web"] == "up"


def test_a_release_and_a_rollback_of_what_sleeps_lose_nothing(asleep):
    before, statuses, over = live(HOST, asleep.name), [], threading.Event()

    def ask():
        while not over.is_set():
            statuses.extend(asleep.ask(4))

    (asleep.folder / "VERSION").write_text("another\n")
    asleep.deploy()
    assert live(HOST, asleep.name) != before
    assert "another" in on(HOST, f"curl -s -H 'Host: {asleep.name}.test' localhost")
    until(asleep.sleeps)
    asker = threading.Thread(target=ask)
    asker.start()
    asleep.rollback()
    over.set()
    asker.join()
    assert live(HOST, asleep.name) == before and set(statuses) == {"200"}
    until(asleep.sleeps)
    asleep.deploy()
    assert live(HOST, asleep.name) != before and asleep.ask() == ["200"]


def test_a_look_wakes_nobody_and_finds_nothing(apps, asleep):
    def sleeping():
        return {name for name, app in apps.items() if app.sleeps()}

    until(lambda: sleeping() >= {"stream", "thread", "green"})
    before = sleeping()
    for playbook in ("status", "doctor"):
        run = asleep.play(playbook)
        assert run.status == 0, run.output
    assert "asleep" in asleep.play("status", app=asleep.name).output
    run = asleep.deploy()
    assert run.changed == [0] and sleeping() >= before
