"""What the release tests share: the app, and what is left of it on a host."""

import os
import subprocess
import time

import pytest
from plays import CHECKOUT, FLEET, HOSTS, NAME, PATIENCE, App, live, on, until


class Shop(App):
    """The app of these tests."""

    def __init__(self, folder, hosts):
        super().__init__(
            "shop",
            folder,
            hosts,
            threads=16,
            processes=2,
            health={"path": "/health", "timeout": 15},
            env={},
            secrets={"SHOP_KEY": "first key"},
            shared=["instance"],
            keep_releases=4,
        )

    def write(self, version):
        """Change the code: another version."""
        (self.folder / "VERSION").write_text(f"{version}\n")


KNOWN = {}  # the release and the secrets that a host has where an app is as tests begin with it, by host, app and kind


def released(app, kind="plain"):
    """Release an app where its hosts do not have it already, as they had it when this kind of it was released last."""
    places = [(host, app.name, kind) for host in app.hosts]
    # Same release, same secrets: nothing would be done, so it is not even asked.
    if any(KNOWN.get(place) != _state(place[0], app.name) for place in places):
        app.deploy()
        KNOWN.update({place: _state(place[0], app.name) for place in places})
    return app


def _state(host, name):
    return live(host, name), on(host, f"cat /var/www/{name}/secrets/*", check=False)


def in_greenlets(app, **entry):
    """Let an app run in greenlets from its next release on."""
    del app.entry["threads"]
    app.entry |= {"concurrency": "gevent", **entry}
    with (app.folder / "requirements.txt").open("a") as packages:
        packages.write("gevent==26.9.0\n")
    return app


@pytest.fixture
def shop(tmp_path):
    """The app, released on the first host; what a test changed of it does not reach the next."""
    return released(Shop(tmp_path / "shop", HOSTS))


@pytest.fixture
def fleet(tmp_path):
    """The app, released on all hosts."""
    return released(Shop(tmp_path / "shop", FLEET))


STREAMS = int(os.environ.get("EMPEROR_STREAMS", "200"))  # that an app with live pages may have


class Live(App):
    """The example app with live pages, with a deadline that its streams outlive."""

    def __init__(self, folder):
        super().__init__(
            "live",
            folder,
            HOSTS[:1],
            fixture=CHECKOUT / "examples/live",
            processes=1,
            threads=8,
            streams=STREAMS,
            harakiri=4,
            shared=["instance"],
            env={"HEARTBEAT": "2"},
        )


@pytest.fixture(scope="module")
def live_for_a_while(tmp_path_factory):
    """The app with live pages is taken away once the tests of a file have ended."""
    yield
    app = Live(tmp_path_factory.mktemp("live") / "live")
    app.entry = {"name": "live", "state": "absent", "keep_shared": False}
    app.deploy()


@pytest.fixture(name="live")
def live_pages(tmp_path, live_for_a_while):
    """The app with live pages, and an empty log."""
    return alone(released(Live(tmp_path / "live")))


def until_alone(name):
    """Return when the live vassal of an app is the only one on the first host."""
    until(lambda: on(HOSTS[0], f"ls /var/www/{name}/run | grep -c sock") == "1\n")


def alone(app):
    """Return an app once its live vassal is the only one on the first host, with an empty log there."""
    until_alone(app.name)
    on(HOSTS[0], f": >/var/log/uwsgi/{app.name}/{app.name}_uwsgi.log")
    return app


VASSALS = "pgrep -u shop -a uwsgi | grep -o '[^ ]*[.][0-9]*[.]ini' | sort -u | wc -l"  # a master outlives its socket by a moment


def left(host):
    """Everything of the app on a host: folders, links, vassals, locks, and processes by their names."""
    return on(
        host,
        "cd /var/www/shop && find . -maxdepth 2 ! -name '*.sock' ! -path './shared*' -printf '%p %l\\n' | sort;"
        "find run -name '*.sock' | sed 's/.*/socket/'; ls /etc/uwsgi/vassals/shop /etc/nginx/conf.d;"
        f"cat /var/lib/emperor-flask/locks/shop; {VASSALS}",
    )


def settled(host):
    """What is left once the old vassals have finished their requests."""
    deadline = time.monotonic() + PATIENCE
    while on(host, f"find /var/www/shop/run -name '*.sock' | wc -l; {VASSALS}").split() != ["1", "1"]:
        assert time.monotonic() < deadline, left(host)
        time.sleep(0.5)
    return left(host)


@pytest.fixture
def restart():
    """Restart a host, and return when it serves again."""

    def restart(host):
        subprocess.run(["docker", "restart", host], check=True, capture_output=True)
        deadline = time.monotonic() + PATIENCE
        while not on(host, f"curl -s -H 'Host: {NAME}' localhost", check=False).startswith("shop "):
            assert time.monotonic() < deadline, f"{host} does not serve again"
            time.sleep(0.2)

    return restart
