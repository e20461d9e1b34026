# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates and keys of sites on the host, where only root can read them: no part of a release, like secrets.

All of them are one set of files, so that a changed one is tested with everything nginx reads, and put back if nginx refuses it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, succeeds
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, Snapshot
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE, File, Record, Transaction
from ansible_collections.emperor.flask.plugins.module_utils.nginx.site import CERTIFICATES

SET = "certificates"
LIFETIME = 365  # days of a self-signed certificate: Mozilla's guidelines allow 366
KEY = "-----BEGIN "  # of the last part of what nginx reads
SPARE = 30  # days before its end from which a run makes a new one
SELF_SIGNED = "emperor.flask self-signed"  # its common name, by which it is known again
# A configuration of our own: the system's may make every self-signed certificate one of an authority.
OPENSSL = """\
[req]
prompt = no
distinguished_name = subject
x509_extensions = extensions
[subject]
CN = {subject}
[extensions]
basicConstraints = critical,CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its private key, both as PEM."""

    certificate: str
    key: str

    @property
    def combined(self) -> bytes:
        """Both as one file, so that a rename brings both or neither: nginx does not start with a certificate and another's key."""
        return f"{self.certificate.rstrip()}\n{self.key.rstrip()}\n".encode()


def place(name: str, folder: str = CERTIFICATES) -> str:
    """Where an app's certificate and key stand."""
    return os.path.join(folder, name, "combined.pem")


def standing(name: str, folder: str = CERTIFICATES) -> Pair | None:
    """What an app has, if it has any."""
    certificate, begins, key = _bytes(place(name, folder)).decode().rpartition(KEY)
    return Pair(certificate, begins + key) if certificate else None


def self_signed(names: list[str]) -> Pair:
    """Make a certificate for these names, signed with its own key."""
    with tempfile.TemporaryDirectory(prefix="emperor-certificate-") as scratch:
        configuration, certificate, key = (
            os.path.join(scratch, name) for name in ("openssl.cnf", "certificate", "key")
        )
        with open(configuration, "w", encoding="ascii") as stream:
            stream.write(OPENSSL.format(subject=SELF_SIGNED, names=",".join(f"DNS:{name}" for name in names)))
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha256", "-nodes"]
        files = ["-config", configuration, "-keyout", key, "-out", certificate]
        try:
            run(["openssl", "req", "-x509", *kind, "-days", str(LIFETIME), *files])
        except CommandFailed as error:
            raise Refusal(f"openssl makes no certificate; is the package openssl installed?\n{error}") from error
        return Pair(_text(certificate), _text(key))


def is_self_signed(name: str, names: list[str], folder: str = CERTIFICATES) -> bool:
    """Tell whether an app's certificate is one of ours, for these names, and ends in more than ``SPARE`` days."""
    asked = ["openssl", "x509", "-in", place(name, folder), "-noout"]
    if not succeeds([*asked, "-checkend", str(SPARE * 86400)]):
        return False
    said = run([*asked, "-issuer", "-ext", "subjectAltName"])
    return SELF_SIGNED in said and set(names) <= set(re.findall(r"DNS:([^,\s]+)", said))


def transaction(
    wanted: dict[str, Pair | None],
    folder: str = CERTIFICATES,
    state: str = STATE,
    check: tuple[str, ...] = ("nginx", "-t"),
    service: str | None = "nginx.service",
    gone: Collection[str] = (),
) -> Transaction:
    """What brings these apps' certificates to the host. Where the pair is None, and for all other apps, what stands there stays; of ``gone`` it goes."""
    record = Record.load(SET, state)
    contents: dict[str, bytes] = {}
    for name, pair in wanted.items():
        path = place(name, folder)
        contents[path] = pair.combined if pair else _bytes(path)
    removed = {place(name, folder) for name in gone}
    others = [path for path in record.owned if path not in contents and path not in removed]
    standing = {path: _bytes(path) for path in others if os.path.exists(path)}
    secret = Access(0o600)
    return Transaction(
        record,
        [File(path, content, secret, sensitive=True) for path, content in {**contents, **standing}.items()],
        directories={path: Access(0o700) for path in [folder, *(os.path.join(folder, name) for name in wanted)]},
        check=list(check),
        service=service,
    )


def _bytes(path: str) -> bytes:
    return Snapshot.take(path).content or b""


def _text(path: str) -> str:
    return _bytes(path).decode()
