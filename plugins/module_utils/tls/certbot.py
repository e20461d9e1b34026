# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""certbot of the distribution: there, run with the host's proxy and CAs, and its failures in words an operator can act upon."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host import apt, proxy
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Snapshot

CA = "/etc/emperor-flask/acme-ca.crt"
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
LOG = "/var/log/letsencrypt/letsencrypt.log"

BUSY = "Another instance of Certbot is already running"
PATIENCE = 120  # seconds to wait for it

NOISE = re.compile(
    r"Saving debug log|Ask for help|Requesting a certificate|Renewing an existing|Account registered|An unexpected error"
)
# Of a name that the authority could not prove. Older certbots say Domain, newer ones Identifier.
PROBLEM = re.compile(r"(?:Domain|Identifier): (\S+)\s+Type: +\S+\s+Detail: (.+)")
# certbot before 2.2 on Python 3.11 (Debian 12) loses what the authority said, but for its log.
LOST = "AttributeError: can't set attribute"
LOGGED = re.compile(r"^acme\.messages\.Error: (.+)$", re.MULTILINE)
REMEDIES = (
    (
        "certificate verify failed",
        "This host does not know the CA that signed the authority's own certificate; name it in nginx_acme_ca",
    ),
    (
        "ConnectionError|Max retries exceeded|[Tt]imed? ?out|Connection refused|Network is unreachable|ProxyError",
        "The authority cannot be reached from this host; correct nginx_acme_directory, or mend what lies between",
    ),
    (
        r"<Response \[4",
        "That is not an ACME directory; correct nginx_acme_directory",
    ),
    (
        "rateLimited|too many",
        "The authority limits how often it is asked; wait as long as it says, and try things out with its staging directory",
    ),
    (
        "reported these problems",
        "The authority asks every name on port 80; make sure that each of them leads to this host",
    ),
)


def is_installed() -> bool:
    """Tell whether the distribution's certbot is there, with its timer."""
    return apt.installed("certbot") is not None


def install() -> None:
    """Install it."""
    try:
        if not apt.lists_are_fresh() or not apt.offered("certbot"):
            apt.apt_get("update")
        apt.apt_get("install", "--no-install-recommends", "certbot")
    except CommandFailed as error:
        raise Refusal(f"apt cannot install certbot, which tls.mode acme needs: {tail(error.output)}") from error


def certbot(*arguments: str) -> None:
    """Run certbot, after one that runs already, such as the timer's; raises CommandFailed."""
    deadline = time.monotonic() + PATIENCE
    with _environment() as environment:
        while True:
            try:
                run(["certbot", *arguments], env=environment)
                return
            except CommandFailed as error:
                if BUSY not in error.output or time.monotonic() > deadline:
                    raise
            time.sleep(2)


@contextlib.contextmanager
def _environment() -> Iterator[dict[str, str]]:
    """As certbot.service has it: the host's proxy, and a private authority's CA beside those of the system."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **proxy.environment()}
    with tempfile.NamedTemporaryFile(prefix="emperor-acme-") as bundle:
        own = Snapshot.take(CA).content
        if own:
            bundle.write((Snapshot.take(SYSTEM_CAS).content or b"") + own)
            bundle.flush()
            environment["REQUESTS_CA_BUNDLE"] = bundle.name
        yield environment


def cause(said: str, log: str = LOG) -> str:
    """Why there is no certificate, in a line, from what certbot printed."""
    problems = [f"{name}: {detail.strip()}" for name, detail in PROBLEM.findall(said)]
    if problems:
        return "; ".join(problems)
    if LOST in said:
        logged = LOGGED.findall((Snapshot.take(log).content or b"").decode(errors="replace"))
        return logged[-1] if logged else f"see {log} on the host"
    lines = [line.strip() for line in said.splitlines() if line.strip() and not NOISE.match(line.strip())]
    return tail(" ".join(lines))


def remedy(said: str, why: str) -> str:
    """What the operator can do about it."""
    found = (words for pattern, words in REMEDIES if re.search(pattern, said) or re.search(pattern, why))
    return next(found, "Mend that")
