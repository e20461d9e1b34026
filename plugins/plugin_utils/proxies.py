# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the proxies whose word counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

TRUSTED = "nginx_trusted_proxies"


def mistakes(variables: dict[str, Any]) -> Iterator[str]:
    """Sentences that say which trusted proxy is no address; none if all are."""
    given = variables.get(TRUSTED) or []
    for proxy in given if isinstance(given, list) else []:
        try:
            ipaddress.ip_network(str(proxy))
        except ValueError as error:
            yield (
                f"{TRUSTED} has '{proxy}', which is no address ({error}); "
                "write addresses or networks, such as 192.0.2.10 or 10.0.0.0/8: a name could come to mean somebody else"
            )
