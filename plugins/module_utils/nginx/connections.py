# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connections that balancers have to this host: each holds one request at a time, and one that idles ends with the balancer's reload."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection, Iterator

PORT = 80
ESTABLISHED = "01"  # proc_net(5)
INTERVAL = 0.2  # seconds between two looks


def wait_until_drained(addresses: Collection[str], seconds: int, proc: str = "/proc") -> int:
    """Wait until nobody at these addresses is connected, for that long at most; return how many connections are left."""
    deadline = time.monotonic() + seconds
    while (left := count(addresses, proc)) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    return left


def count(addresses: Collection[str], proc: str = "/proc") -> int:
    """How many connections from these addresses nginx has open."""
    wanted = {ipaddress.ip_address(address) for address in addresses}
    return sum(peer in wanted for table in ("tcp", "tcp6") for peer in _peers(f"{proc}/net/{table}"))


def _peers(table: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Who is at the other end of each connection to PORT."""
    try:
        with open(table, encoding="ascii") as stream:
            lines = stream.read().splitlines()[1:]
    except OSError:
        return  # a kernel without IPv6
    for fields in map(str.split, lines):
        if fields[3] == ESTABLISHED and int(fields[1].rpartition(":")[2], 16) == PORT:
            yield _address(fields[2].partition(":")[0])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address of the table: words of 32 bits in this machine's order of bytes; one of IPv4 may be written as one of IPv6."""
    raw = bytes.fromhex(text)
    words = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    address = ipaddress.ip_address(words)
    return getattr(address, "ipv4_mapped", None) or address
