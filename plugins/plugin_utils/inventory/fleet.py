# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machines of an inventory: which serve apps, which balance requests among them, and where they reach each other."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from typing import Any

from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps, known_host

SERVERS, BALANCERS = "flask_servers", "load_balancers"
INPUT = "__flask_app_input"  # where the role flask_app registers what emperor.flask.validate returns
CONCERNS_ALL = "concerns_all"  # what that has found for all hosts
ADDRESS, LEAST = "fleet_address", "fleet_min_healthy"
# Of an app, what a balancer states to clients and servers: it must be one for all servers that have the app.
STATED = ("server_names", "canonical_host", "tls", "client_max_body_size", "harakiri", "streams")

MOST_APART = 120  # seconds that the clocks of two hosts may differ
FIRSTS_PORT = 8402  # of the first balancer, for the others: what an authority asked them, and the certificates that it renews for them
MOST_WATCHED = 300  # seconds that canaries are watched: half of the time that an app's lock lasts between two steps
FILE = re.compile(r"[\w.:-]+", re.ASCII)

App = dict[str, Any]
Variables = Any  # a mapping; Ansible's hostvars template what they are asked for


class Fleet:
    """The fleet that a host belongs to, as the host's variables tell it."""

    def __init__(self, variables: Variables) -> None:
        self._variables = variables
        groups = variables.get("groups", {})
        self.host = str(variables.get("inventory_hostname", ""))
        self.servers, self.balancers = (list(map(str, groups.get(group, []))) for group in (SERVERS, BALANCERS))

    @property
    def balances(self) -> bool:
        """Tell whether the host is a balancer."""
        return self.host in self.balancers

    @property
    def is_behind_balancers(self) -> bool:
        """Tell whether balancers stand before the host's apps, so that TLS ends there."""
        return bool(self.balancers) and self.host in self.servers

    def addresses(self, host: str) -> list[str]:
        """Where other hosts of the fleet reach a host; empty where its name is not known here."""
        variables = self._variables["hostvars"][host]
        name = str(variables.get(ADDRESS) or variables.get("ansible_host") or host)
        try:
            found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except OSError:
            return []
        return list(dict.fromkeys(str(address[0]) for _family, _type, _protocol, _name, address in found))

    def states_address(self, host: str) -> bool:
        """Tell whether the inventory states where other hosts of the fleet reach a host."""
        return bool(self._variables["hostvars"][host].get(ADDRESS))

    def of_balancers(self) -> list[str]:
        """The addresses that requests come from: those of all balancers."""
        return [address for host in self.balancers for address in self.addresses(host)]

    @property
    def names_of_balancers(self) -> list[str]:
        """What a server remembers its balancers by: their names, and their addresses."""
        return [*self.balancers, *self.of_balancers()] if self.is_behind_balancers else []

    @property
    def orders_itself(self) -> bool:
        """Tell whether the host orders its certificates itself, as all do but the balancers after the first."""
        return not self.balances or self.host == self.balancers[0]

    def orders_at(self) -> str:
        """The address of the balancer that orders certificates for all, and answers the authority: the first; empty for itself."""
        return "" if self.orders_itself else _in_url(self.addresses(self.balancers[0])[0])

    def other_addresses(self) -> list[str]:
        """For the first balancer, the addresses of those that it orders certificates for; empty for all other hosts."""
        others = self.balancers[1:] if self.balances and self.orders_itself else []
        return [address for host in others for address in self.addresses(host)]

    def sealed_at(self) -> str:
        """The URL at which a balancer finds what the first one has renewed, sealed for it."""
        return f"http://{self.orders_at()}:{FIRSTS_PORT}/certificates/{self.host}.cms"

    def upstreams(self) -> dict[str, str]:
        """Where nginx reaches the servers, by name."""
        return {host: f"{_in_url(address)}:80" for host in self.servers for address in self.addresses(host)[:1]}

    def apps(self) -> tuple[list[App], dict[str, list[str]], list[str]]:
        """The entries of all servers' apps, each once, the servers that have each, and what is wrong between them.

        Secrets are left out: a balancer needs none.
        """
        entries: dict[str, App] = {}
        servers: dict[str, list[str]] = {}
        mistakes: list[str] = []
        for server in self.servers:
            variables = self._variables["hostvars"][server]
            stated, defaults = variables.get("flask_apps") or [], variables.get("flask_app_defaults") or {}
            if not isinstance(stated, list) or not isinstance(defaults, dict):
                mistakes.append(
                    f"flask_apps of {server} must be a list of apps, and flask_app_defaults a dictionary; correct them in the inventory"
                )
                continue
            for entry in stated:
                if not isinstance(entry, dict) or entry.get("state") == "absent":
                    continue
                app = {**apps.merge(apps.defaults_for(entry, defaults), entry), "secrets": {}}
                name = str(app.get("name"))
                first = entries.setdefault(name, app)
                mistakes += [
                    f"app '{name}': {key} on {server} is another than on {servers[name][0]}, but the balancers state one for all; make them equal"
                    for key in STATED
                    if first.get(key) != app.get(key)
                ]
                servers.setdefault(name, []).append(server)
        return list(entries.values()), servers, mistakes


def looks_for_all(variables: Variables) -> bool:
    """Tell whether the host is the one of its play that is asked what concerns all hosts: each would have to read the variables of all others."""
    return bool(variables["inventory_hostname"] == next(iter(variables["ansible_play_hosts"]), None))


def absent(variables: Variables) -> list[str]:
    """The servers that a play began with and that are in it no longer: they cannot be reached, or have failed."""
    left = variables["ansible_play_hosts"]
    servers = variables["groups"].get(SERVERS, [])
    return [host for host in variables["ansible_play_hosts_all"] if host in servers and host not in left]


def concerning_all(variables: Variables) -> Iterator[str]:
    """What is wrong with the fleet, as the one host of the play has found that looks for all: it has failed, and the others would go on without it."""
    for host in variables["ansible_play_hosts_all"]:
        yield from variables["hostvars"][host].get(INPUT, {}).get(CONCERNS_ALL, [])


def too_few(variables: Variables, least: Any) -> Iterator[str]:
    """Say that servers are away which have to take part; ``least`` is how many have to, None for all."""
    gone = absent(variables)
    left = [host for host in variables["ansible_play_hosts"] if host in variables["groups"].get(SERVERS, [])]
    if not str(least or "1").isdigit():
        return  # which is said elsewhere
    if gone and (least is None or len(left) < int(least)):
        wanted = "all servers have to take part" if least is None else f"{LEAST} is {least}"
        allow = f", or go on without it, and let the balancers leave it out: -e {LEAST}={len(left)}" if left else ""
        yield f"{', '.join(gone)} cannot be reached or has failed, and {wanted}; mend that, take it out of the inventory{allow}"


def apart(variables: Variables) -> Iterator[str]:
    """Say which hosts of the play have clocks minutes apart, as far as this run has asked them: leases, certificates and logs need one time."""
    facts = {host: variables["hostvars"][host].get("ansible_facts", {}) for host in variables["ansible_play_hosts_all"]}
    ahead = {
        host: known["ahead"] for host in facts if "ahead" in (known := known_host.known({"ansible_facts": facts[host]}))
    }
    first, last = (min(ahead, key=ahead.__getitem__), max(ahead, key=ahead.__getitem__)) if ahead else ("", "")
    if ahead and ahead[last] - ahead[first] > MOST_APART:
        yield (
            f"the clocks of {first} and {last} are {ahead[last] - ahead[first]} seconds apart; set them, such as with timedatectl set-ntp true on both"
        )


def mistakes(fleet: Fleet) -> Iterator[str]:
    """Sentences that say what is wrong with the machines of a fleet that has balancers; none if it has none."""
    if not fleet.balancers:
        return
    if not fleet.servers:
        yield f"the group {BALANCERS} has hosts, but {SERVERS} has none, so there is nothing to balance; name the servers"
    for host in [*fleet.servers, *fleet.balancers]:
        if not FILE.fullmatch(host):
            yield f"host '{host}': its name cannot be a file's; give it one of letters, digits, '.', '_', ':' and '-', and its address in ansible_host"
    if any(fleet.states_address(host) for host in (*fleet.servers, *fleet.balancers)):
        for host in fleet.balancers:
            if not fleet.states_address(host):
                yield f"host '{host}' has no {ADDRESS}, but others of the fleet have one: the servers must know where its requests come from; state it"
    for host in fleet.balancers:
        if host in fleet.servers:
            yield f"host '{host}' is in {SERVERS} and in {BALANCERS}, whose nginx both need port 80; take it out of one of them"
    owners: dict[str, str] = {}
    for host in dict.fromkeys([*fleet.servers, *fleet.balancers]):
        found = fleet.addresses(host)
        if not found or any(map(_is_loopback, found)):
            what = (
                f"its address is {found[0]}, which means each host itself"
                if found
                else "its address cannot be looked up from here"
            )
            yield f"host '{host}': {what}; set {ADDRESS} to where the other hosts of the fleet reach it, such as 10.0.0.11"
            continue
        for address in found:
            first = owners.setdefault(address, host)
            if first != host:
                yield f"hosts '{first}' and '{host}' have the address {address}; a host has one name in a fleet, so take one out, or set {ADDRESS}"


def of_another(fleet: Fleet, host: dict[str, Any]) -> Iterator[str]:
    """Say that a server belongs to the balancers of another inventory; ``host`` are its facts. One balancer that stays, by name or address, is enough."""
    known, ours = host["balancers"], fleet.names_of_balancers
    if ours and known and not {*known} & {*ours}:
        yield (
            f"host '{fleet.host}' serves behind the balancers {', '.join(known)}, and not behind {', '.join(ours)}: a server is in one fleet, for "
            "its nginx believes the balancers of one. If another inventory has it, take it out of one of them. Where it is to be in this fleet, "
            "run on it: sed -i '/# Balancers of the fleet/d' /etc/nginx/nginx.conf"
        )


def least_mistakes(given: dict[str, Any]) -> Iterator[str]:
    """Say that the number of servers that have to take part is none that a fleet can have."""
    least = given.get(LEAST)
    if isinstance(least, int) and least < 1:
        yield f"{LEAST} is {least}; write how many servers have to take part at least, such as 2"


def canary_mistakes(given: dict[str, Any]) -> Iterator[str]:
    """Sentences that say what is wrong with the servers that go ahead; none if nothing is."""
    number, seconds = (given.get(f"flask_app_canary{more}") for more in ("", "_seconds"))
    if isinstance(number, int) and number < 0:
        yield f"flask_app_canary is {number}; write how many servers switch first, or 0"
    if isinstance(seconds, int) and not 1 <= seconds <= MOST_WATCHED:
        yield f"flask_app_canary_seconds is {seconds}; write 1 to {MOST_WATCHED}, for the other servers keep a second vassal of each app meanwhile"


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
