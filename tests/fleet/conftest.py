"""A fleet as an operator writes it down: two balancers, and three servers behind them. A fourth server may join."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from ssh_hosts import FOLDER, address, new_key, reached, run

BALANCERS = ["emperor-fleet-balancer1", "emperor-fleet-balancer2"]
SERVERS = ["emperor-fleet-web1", "emperor-fleet-web2", "emperor-fleet-web3"]
FOURTH = "emperor-fleet-web4"
AUTHORITY = "emperor-fleet-authority"
INVENTORY = FOLDER / "fleet.json"


def write_inventory(servers, balancers=BALANCERS, loopback=None):
    """Write the inventory down; ``loopback`` is a host with an address that means each host itself."""
    groups = {"flask_servers": servers, "load_balancers": balancers}
    hosts = {host: KNOWN[host] for host in [*servers, *balancers]}
    if loopback:
        hosts[loopback] = {**hosts[loopback], "fleet_address": "127.0.0.1"}
    children = {group: {"hosts": dict.fromkeys(members, {})} for group, members in groups.items() if members}
    INVENTORY.write_text(json.dumps({"all": {"hosts": hosts, "children": children}}))


# Before plays is imported, which reads where the inventory is.
new_key()
KNOWN = {}
for each in [*BALANCERS, *SERVERS, FOURTH]:
    run("docker", "exec", each, "rm", "-f", "/etc/sudoers.d/requiretty")
    KNOWN[each] = reached(each, ansible_become_password="of the user")
write_inventory(SERVERS)
os.environ["MOLECULE_INVENTORY_FILE"] = str(INVENTORY)
os.environ["ANSIBLE_TIMEOUT"] = "5"  # seconds until a server that is cut off counts as away

from plays import FLEET, App, on, until  # noqa: E402  # it reads the inventory

FIRST, SECOND, THIRD = SERVERS
RATE = 60  # requests a second and balancer
ASK = "curl -s -H 'Host: shop.test' localhost"
OVER_TLS = "curl -sk --resolve shop.test:443:127.0.0.1 https://shop.test/"


def takes(server):
    """Whether each balancer sends requests to a server."""
    return ["max_fails" in on(balancer, f"cat /etc/nginx/emperor_servers/{server}.conf") for balancer in BALANCERS]


def versions():
    """What each server answers by itself."""
    return [on(server, ASK) for server in SERVERS]


SAME = {
    "servers": "readlink /var/www/shop/current; cd /etc/nginx; cat /var/www/shop/current/*.* *.conf emperor_limits | sha256sum",
    "balancers": "cat /etc/nginx/*.conf /etc/nginx/emperor_servers/* | sha256sum; grep -h server_name /etc/nginx/conf.d/*; "
    "sha256sum /etc/nginx/certificates/echo/* 2>/dev/null || :",
}


def assert_level():
    """All servers have one release with one configuration, and all balancers one configuration, and one certificate of an authority."""
    for hosts, what in ((SERVERS, "servers"), (BALANCERS, "balancers")):
        seen = {on(host, SAME[what]) for host in hosts}
        assert len(seen) == 1, seen


JOBS = "/var/www/shop/shared/instance/jobs"


class Posted:
    """Requests that must not be done twice, each noted where it begins; sent through a balancer at once, to servers with nothing noted."""

    def __init__(self, number, seconds):
        for server in SERVERS:
            on(server, f"rm -f {JOBS}")
        self.names = [f"job {each}" for each in range(number)]
        ask = f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Host: shop.test' 'localhost/job?seconds={seconds}' -d"
        pool = ThreadPoolExecutor(number)
        self._answers = [pool.submit(on, BALANCERS[0], f"{ask} '{name}'") for name in self.names]
        pool.shutdown(wait=False)
        until(lambda: self.noted() == self.names)

    def noted(self):
        """The names of all that have begun, on whichever server."""
        return sorted(name for server in SERVERS for name in self.of(server))

    def of(self, server):
        """The names of those that have begun on a server."""
        return on(server, f"cat {JOBS}", check=False).splitlines()

    def statuses(self):
        """What each was answered with, once all are."""
        return [answer.result() for answer in self._answers]


def answers(server):
    """How many requests a server has answered for the app."""
    return int(on(server, """grep -c '"app":"shop"' /var/log/nginx/access.log""", check=False) or 0)


@pytest.fixture
def cut_off():
    """Cut the third server off from all others, and from the controller."""
    route = on(THIRD, "ip route show default").strip()  # goes with the link, and does not come back with it
    yield lambda: on(THIRD, "ip link set $(ls /sys/class/net | grep eth) down")
    on(THIRD, f"ip link set $(ls /sys/class/net | grep eth) up; ip route replace {route}")
    until(lambda: "shop" in on(BALANCERS[0], f"curl -s -m 2 -H 'Host: shop.test' {address(THIRD)}", check=False))


class Shop(App):
    """The app of these tests, on all hosts of the inventory."""

    def __init__(self, folder):
        super().__init__(
            "shop",
            folder,
            FLEET,
            threads=8,
            processes=1,
            health={"path": "/health", "timeout": 15},
            shared=["instance"],
            hooks={},
            env={},
            tls={"mode": "self_signed", "redirect": False},
        )
        self.moving = {}  # what was seen on the way from one server to a fleet

    def write(self, version):
        """Change the code: another version."""
        (self.folder / "VERSION").write_text(f"{version}\n")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """The app, on hosts that were bare: first on one server, then on the others and the balancers beside it, then on all, as docs/fleet.md says."""
    shop = Shop(tmp_path_factory.mktemp("apps") / "shop")
    shop.write(0)
    write_inventory([FIRST], [])
    shop.hosts = [FIRST]
    _site(shop)
    write_inventory(SERVERS)
    shop.hosts = [host for host in FLEET if host != FIRST]
    _site(shop)
    shop.moving = {
        "first": on(FIRST, OVER_TLS),
        "takes": takes(FIRST),
        "balanced": [on(each, OVER_TLS) for each in BALANCERS],
    }
    shop.hosts = FLEET
    _site(shop)
    return shop


def _site(shop):
    run = shop.play("site")
    assert run.status == 0, run.output


@pytest.fixture
def shop(installed):
    """The app; what a test changed of it does not reach the next."""
    first = installed.entry
    installed.entry = {**first}
    yield installed
    installed.entry, installed.hosts = first, FLEET
