"""What the tests of the box share: an app that attacks, and a neighbour that must not notice."""

import json
import re
import subprocess

import pytest
from plays import FLEET, App, on

each_host = pytest.mark.parametrize("host", FLEET)
REPORT = "/var/www/hostile/shared/data"


class Hostile(App):
    """The app that attacks."""

    def __init__(self, folder):
        super().__init__(
            "hostile",
            folder,
            FLEET,
            processes=1,
            threads=4,
            env={},
            secrets={"HOSTILE_KEY": "first key"},
            shared=["data"],
            hooks={
                "build": ["sh build-hook.sh"],
                "before_switch": [f"python3 attempts.py {REPORT}/before_switch.json"],
                "after_switch": [f"python3 attempts.py {REPORT}/after_switch.json"],
            },
            health={"timeout": 15},
            keep_releases=2,
        )

    def run(self, host, source):
        """What Python leaves in ``result`` inside of the live vassal, or the name of the error that stopped it."""
        ask = "curl --silent --max-time 30 -H Host:hostile.test --data-binary @- http://127.0.0.1/run"
        argv = ["docker", "exec", "--interactive", host, *ask.split()]
        return subprocess.run(argv, input=source, capture_output=True, text=True, check=True).stdout


def report(host, path):
    """What attempts.py wrote down."""
    return json.loads(on(host, f"cat {path}"))


def exposure(host, pattern):
    """How open the one unit is that is loaded under this pattern, as systemd-analyze(1) counts: 0 is closed, 10 is open."""
    (unit,) = on(host, f"systemctl list-units --all --plain --no-legend '{pattern}' | cut -d' ' -f1").split()
    said = on(host, f"systemd-analyze security --no-pager '{unit}'")
    return float(re.search(r"Overall exposure level for .*: ([\d.]+)", said).group(1))


@pytest.fixture(scope="session")
def neighbour(tmp_path_factory):
    """The app beside it, released on all hosts."""
    shop = App(
        "shop",
        tmp_path_factory.mktemp("neighbour") / "shop",
        FLEET,
        processes=1,
        threads=16,
        health={"path": "/health"},
    )
    shop.deploy()
    return shop


@pytest.fixture(scope="session")
def attacker(tmp_path_factory, neighbour):
    """The app that attacks, released on all hosts."""
    hostile = Hostile(tmp_path_factory.mktemp("attacker") / "hostile")
    hostile.deploy()
    return hostile


@pytest.fixture
def hostile(attacker):
    """The app that attacks; what a test changes of its entry does not reach the next."""
    entry = json.loads(json.dumps(attacker.entry))
    yield attacker
    attacker.entry = entry
