"""What the release tests share: the app, and what is left of it on a host."""

import os
import subprocess
import time

import pytest
from plays import CHECKOUT, FLEET, HOSTS, NAME, PATIENCE, App, live, on


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


BASE = {}  # the release and the secrets that every test begins with, by host


@pytest.fixture
def shop(tmp_path):
    """The app, released on the first host; what a test changed of it does not reach the next."""
    return _released(Shop(tmp_path / "shop", HOSTS))


@pytest.fixture
def fleet(tmp_path):
    """The app, released on all hosts."""
    return _released(Shop(tmp_path / "shop", FLEET))


STREAMS = int(os.environ.get("EMPEROR_STREAMS", "200"))  # that an app with live pages may have


@pytest.fixture(name="live")
def live_pages(tmp_path):
    """The example app with live pages, with a deadline that its streams outlive; taken away afterwards."""
    app = App(
        "live",
        tmp_path / "live",
        HOSTS[:1],
        fixture=CHECKOUT / "examples/live",
        processes=1,
        threads=8,
        streams=STREAMS,
        harakiri=4,
        shared=["instance"],
        env={"HEARTBEAT": "2"},
    )
    app.deploy()
    yield app
    app.entry = {"name": "live", "state": "absent"}
    app.deploy()


def _released(shop):
    # Same release, same secrets: nothing would be done, so it is not even asked.
    if any(BASE.get(host) != _state(host) for host in shop.hosts):
        shop.deploy()
        BASE.update({host: _state(host) for host in shop.hosts})
    return shop


def _state(host):
    return live(host), on(host, "cat /var/www/shop/secrets/*", check=False)


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
        time.sleep(0.2)
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
