# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's ``tls`` and ``canonical_host``: what can be said about them without reading a certificate."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

App = dict[str, Any]

FILES = ("certificate", "key")
PLAIN = {"mode": "none", "certificate": None, "key": None, "hsts": 0}  # of an app whose TLS ends before its host
HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)
# What nginx takes as a name and a certificate can cover: a host, all hosts of a domain, or (".shop.test") both.
COVERABLE = re.compile(rf"(\*\.|\.)?{HOST.pattern}", re.IGNORECASE)


def serves(app: App) -> bool:
    """Tell whether an app, prepared or as the inventory states it, is to be served over TLS."""
    tls = app.get("tls")
    mode = tls.get("mode", "none") if isinstance(tls, dict) else "none"
    return mode != "none" and app.get("state", "present") == "present"


def located(tls: dict[str, Any], base: Path) -> dict[str, Any]:
    """``tls`` with its files' paths absolute; a relative one starts from ``base``."""
    return {**tls, **{key: str((base / tls[key]).resolve()) if tls[key] else None for key in FILES}}


def certificate_names(server_names: list[str]) -> list[str]:
    """The names a certificate has to cover, as it writes them."""
    names = [name.lower() for name in server_names]
    return [one for name in names for one in ((name[1:], f"*{name}") if name.startswith(".") else (name,))]


def mistakes(app: App) -> Iterator[str]:
    """Sentences that say what is wrong with ``tls`` and ``canonical_host``."""
    tls, names = app["tls"], app["server_names"]
    mode, given = tls["mode"], [key for key in FILES if tls[key]]
    if tls["hsts"] < 0:
        yield f"tls.hsts is {tls['hsts']}; write seconds, such as 63072000, or 0 for no header"
    for key in FILES:
        if mode == "files" and key not in given:
            yield f"tls.mode is files, but tls.{key} names no file; name one on the controller, relative to the inventory"
        elif mode != "files" and key in given:
            yield f"tls.{key} is given, but tls.mode is {mode}; set tls.mode to files, or remove tls.{key}"
    yield from _canonical_host(app["canonical_host"], names)
    if mode == "none":
        return
    if not names:
        yield f"tls.mode is {mode}, but server_names is empty; a certificate is for names, so give the app some"
    for name in names:
        yield from _name(name, mode)


def _canonical_host(host: str, names: list[str]) -> Iterator[str]:
    if not host:
        return
    if host.lower() not in [name.lower() for name in names]:
        yield f"canonical_host '{host}' is none of server_names ({', '.join(names) or 'empty'}); add it to them, or name one of them"
    elif not HOST.fullmatch(host):
        yield f"canonical_host '{host}' is not a host name; name one host"


def _name(name: str, mode: str) -> Iterator[str]:
    if _is_address(name):
        yield (
            f"server_names has '{name}', but clients that ask an address name no host when they begin TLS, so nothing could answer them; "
            "remove it, or set tls.mode to none"
        )
    elif not COVERABLE.fullmatch(name):
        yield f"server_names has '{name}', which no certificate can cover; write plain names (xn--... for other scripts) or *.example.com"
    elif mode == "acme" and name[0] in "*.":
        yield f"server_names has '{name}', which tls.mode acme cannot prove over HTTP; name each host, or use files"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
