# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of hosts as browsers ask for them, whatever way the inventory writes them: without a dot at the end, in ASCII."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

FORM = re.compile(r"[^\s;{}'\"]+")  # what ends no word of nginx's
URL = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//|[/?#@]|:\d*$", re.IGNORECASE)
# nginx's own forms: a name, *.name, .name, name.*; _ stands in names that are no host's.
NAME = re.compile(r"(?:\*?\.)?[\w-]{1,63}(?:\.[\w-]{1,63})*(?:\.\*)?", re.ASCII)
ADDRESS = re.compile(r"\[[0-9a-f:.]+\]", re.IGNORECASE)  # IPv6
NGINX = "$hostname"  # the machine's own name (ngx_http_core_module)
# Browsers keep these characters (IDNA 2008), Python's codec replaces them (IDNA 2003): another domain.
KEPT = re.compile("[\u00df\u03c2\u200c\u200d]")


def mistakes(key: str, given: str) -> Iterator[str]:
    """What is wrong with a name, which the inventory states under ``key``."""
    if not FORM.fullmatch(given):
        yield f"{key} has '{given}', which nginx cannot take as a name; write one host name per entry"
    elif given.startswith("~") or given == NGINX or ADDRESS.fullmatch(given):
        return
    elif URL.search(given):
        host = re.sub(r"^.*//", "", given)
        host = re.sub(r"^[^/?#]*@|[/?#].*$|:\d*$", "", re.sub(r"[/?#].*$", "", host))
        yield f"{key} has '{given}'; write the host's name alone, without scheme, port and path" + (
            f": {host}" if host else ""
        )
    elif KEPT.search(given):
        yield f"{key} has '{given}', which has no one way to be written in ASCII; write what the registry calls it (xn--...)"
    elif not NAME.fullmatch(normal(given)) or len(normal(given)) > 253:
        yield f"{key} has '{given}', which is not a host name: parts of letters, digits and -, 63 characters each at most, with dots between them"


def normal(given: str) -> str:
    """A name as it is asked for: DNS's dot at the end is left away, other scripts become punycode. nginx's other forms stay as they are."""
    if given.startswith("~") or given == NGINX:
        return given
    name = given.removesuffix(".")
    try:
        return (
            name
            if name.isascii()
            else ".".join(part.encode("idna").decode() if part else part for part in name.split("."))
        )
    except UnicodeError:
        return given


def taken(app: dict[str, Any], others: dict[str, str]) -> str | None:
    """Which other app of the host answers for a name of this one, and what to do; ``others`` are the apps of names that this run leaves alone.

    nginx would go on asking the other: of two servers with one name it takes the first that it reads.
    """
    for name in app["server_names"] or ["_"]:
        if other := others.get(name.lower()):
            what = (
                f"server_names has '{name}', which"
                if app["server_names"]
                else "server_names is empty, but it is the default server that"
            )
            return (
                f"- app '{app['name']}': {what} the app '{other}' on this host answers for. If {other} is another name for the same app, take it away "
                f"with {{name: {other}, state: absent}}; else take the name from {other} and release that first"
            )
    return None
