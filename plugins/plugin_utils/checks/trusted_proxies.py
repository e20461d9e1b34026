# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the proxies whose word counts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

TRUSTED, PROXY, HTTP3 = "nginx_trusted_proxies", "nginx_proxy_protocol", "nginx_http3"
FORM = re.compile(r"[0-9A-Fa-f.:]+(/[0-9]+)?")  # of those that Python takes, nginx knows neither netmasks nor zones


def mistakes(variables: dict[str, Any]) -> Iterator[str]:
    """Sentences that say which trusted proxy is not an address, or what does not go with the protocol they speak; none if nothing is wrong."""
    given = variables.get(TRUSTED) or []
    if not isinstance(given, list):
        yield f"{TRUSTED} is '{given}'; write a list of addresses or networks, such as [10.0.0.0/8]"
        return
    if boolean(variables.get(PROXY, False), strict=False):
        if not given:
            yield f"{PROXY} is true, but {TRUSTED} is empty, so every client would have the address of what stands in front; write its addresses"
        if boolean(variables.get(HTTP3, False), strict=False):
            yield f"{PROXY} and {HTTP3} are true, but HTTP/3 knows no PROXY protocol; set one of them to false"
    for proxy in given:
        try:
            ipaddress.ip_network(str(proxy))
            reason = "" if FORM.fullmatch(str(proxy)) else "nginx knows no netmasks and no zones"
        except ValueError as error:
            reason = str(error)
        if reason:
            yield (
                f"{TRUSTED} has '{proxy}', which is not an address ({reason}); "
                "write addresses or networks, such as 192.0.2.10 or 10.0.0.0/8: a name could come to mean somebody else"
            )
