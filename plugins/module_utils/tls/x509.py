# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a certificate on the host says of itself."""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run


@dataclass(frozen=True)
class Certificate:
    """The names a certificate holds for, in small letters, when it ends, in seconds since the epoch, and who issued it."""

    names: frozenset[str]
    ends: float
    issuer: str

    @classmethod
    def read(cls, path: str) -> Certificate | None:
        """Read the first certificate of a PEM file; None where there is none. OpenSSL's program came with ca-certificates."""
        try:
            text = run(["openssl", "x509", "-in", path, "-noout", "-enddate", "-issuer", "-ext", "subjectAltName"])
        except CommandFailed:
            return None
        end = re.findall(r"^notAfter=(.+)$", text, re.MULTILINE)[0]
        names = frozenset(name.lower() for name in re.findall(r"DNS:([^\s,]+)", text))
        issuer = re.findall(r"^issuer=(.*)$", text, re.MULTILINE)[0]
        return cls(names, ssl.cert_time_to_seconds(end), issuer)

    @property
    def end(self) -> str:
        """When it ends, for people."""
        return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.ends))
