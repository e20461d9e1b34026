# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks that apps must not reach: whether they are networks, and whether the host's apps could still look names up."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

VARIABLE = "uwsgi_emperor_denied_addresses"


def mistakes(given: dict[str, Any]) -> Iterator[str]:
    """What is not a network: systemd would leave it out with a warning that nobody reads."""
    networks = given.get(VARIABLE) or []
    for network in networks if isinstance(networks, list) else [networks]:
        try:
            ipaddress.ip_network(str(network))
        except ValueError as error:
            yield f"{VARIABLE} has '{network}', which is not a network: {error}; write one such as 169.254.0.0/16"


def refusals(host: dict[str, Any], networks: list[str]) -> Iterator[str]:
    """Name servers of the host that apps could not ask: on Google Cloud it is the address that has the passwords too."""
    for server in host["nameservers"]:
        try:
            address = ipaddress.ip_address(server.partition("%")[0])
        except ValueError:  # the resolver leaves it out, too
            continue
        for network in map(ipaddress.ip_network, networks):
            if address.version == network.version and address in network:
                yield (
                    f"the name server {server} of this host (/etc/resolv.conf) is in {network}, which apps are denied ({VARIABLE}), so they could look "
                    "no name up; let the host use a resolver of its own (systemd-resolved), or leave that network out of the variable"
                )
