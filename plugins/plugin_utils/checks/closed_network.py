# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the settings for hosts behind a company's walls, said without a word of their credentials."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

INDEXES = ("prerequisites_package_index", "prerequisites_extra_package_index")
URLS = (*INDEXES, "prerequisites_apt_mirror", "prerequisites_apt_security_mirror", "prerequisites_proxy")
NO_PROXY, CERTIFICATE = "prerequisites_no_proxy", "prerequisites_ca_certificate"
# netrc and apt_auth.conf(5) end a word at white space, and know quotes, backslash and # as marks of their own.
UNSAFE = re.compile(r"[\s\"'\\]|^#")
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def mistakes(variables: dict[str, Any]) -> Iterator[str]:
    """Sentences that say what is wrong with these variables of the role prerequisites; none if nothing is."""
    urls = {name: str(variables.get(name) or "") for name in URLS}
    for name, url in urls.items():
        if url:
            yield from _url(name, url)
    if urls["prerequisites_apt_security_mirror"] and not urls["prerequisites_apt_mirror"]:
        yield "prerequisites_apt_security_mirror needs prerequisites_apt_mirror; set both or none"
    yield from _shared_host(urls)
    for host in variables.get(NO_PROXY) or []:
        if not HOST.fullmatch(str(host)):
            yield f"{NO_PROXY} has '{host}'; write names of hosts, without wildcard, port or path"
    certificate = str(variables.get(CERTIFICATE) or "")
    if "PRIVATE KEY" in certificate:
        yield f"{CERTIFICATE} holds a private key; give the certificate alone"
    elif certificate and "-----BEGIN CERTIFICATE-----" not in certificate:
        yield f"{CERTIFICATE} is not a certificate in PEM; give the file's content, which begins with -----BEGIN CERTIFICATE-----"


def _url(name: str, url: str) -> Iterator[str]:
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not HOST.fullmatch(parts.hostname or ""):
        yield f"{name} is not a URL of a host; write https://host/path, or https://user:password@host/path, percent-encoded"
    elif re.search(r"[\s\"'\\]", url):
        yield f"{name} has white space, a quote or a backslash in it; percent-encode what is special"
    elif name != "prerequisites_proxy" and any(UNSAFE.search(word) for word in _credentials(parts)):
        yield (
            f"{name}: its user or password has white space, a quote, a backslash or a # at the beginning, which netrc "
            "cannot hold; use others, such as a token"
        )


def _shared_host(urls: dict[str, str]) -> Iterator[str]:
    first, second = (_split(urls[name]) for name in INDEXES)
    if not first or not second or not first.hostname or first.hostname != second.hostname:
        return
    if _credentials(first) != _credentials(second):
        yield (
            f"{' and '.join(INDEXES)} are both on {first.hostname} with different credentials, but netrc has one entry "
            "for a host; give both the same"
        )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _credentials(parts: SplitResult) -> tuple[str, str]:
    return unquote(parts.username or ""), unquote(parts.password or "")
