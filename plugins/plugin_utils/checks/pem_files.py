# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates and keys that are files on the controller: read, and held against each other and the names they are to serve.

``cryptography`` comes with ansible-core. What is read here may have been encrypted with ansible-vault, so no message shows any of it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.checks.tls import certificate_names, serves
from ansible_collections.emperor.flask.plugins.plugin_utils.source.missing import missing

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )

App = dict[str, Any]

SOON = timedelta(days=14)  # a certificate that ends within this time is warned about
SMALLEST_RSA = 2048  # bits; OpenSSL's security level 2, which Debian and Ubuntu set, refuses smaller ones


@dataclass(frozen=True)
class ChainWithKey:
    """A chain of certificates, the server's first, and its private key; both as PEM without whatever else the files hold."""

    certificate: str
    key: str
    ends: datetime

    @classmethod
    def of(cls, chain: list[x509.Certificate], key: PrivateKeyTypes) -> ChainWithKey:
        """``ends`` is when the first of the chain does."""
        certificates = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(certificates.decode(), private.decode(), min(moment(one, "not_valid_after") for one in chain))

    def texts(self) -> dict[str, str]:
        """What the module is sent."""
        return {"certificate": self.certificate, "key": self.key}


def read_all(apps: list[App], loader: DataLoader) -> tuple[dict[str, ChainWithKey], list[str]]:
    """By app, what those bring whose certificates are files; and what is wrong with them."""
    pairs, mistakes = {}, []
    for app in apps:
        if serves(app) and app["tls"]["mode"] == "files":
            try:
                pairs[app["name"]] = read(app, loader)
            except Refusal as refusal:
                mistakes.append(f"app '{app['name']}': {refusal}")
    return pairs, mistakes


def read(app: App, loader: DataLoader) -> ChainWithKey:
    """An app's certificate and key; raises Refusal with a sentence about the first thing that is wrong with them."""
    tls, now = app["tls"], datetime.now(timezone.utc)
    certificate, key = (_content(f"tls.{key}", tls[key], loader) for key in ("certificate", "key"))
    chain, private = _chain(tls["certificate"], certificate), _private_key(tls["key"], key)
    _check_key(tls, chain, private)
    for place, (below, above) in enumerate(zip(chain, chain[1:]), start=1):
        _check_issuer(tls["certificate"], place, below, above)
    for one in chain:
        _check_time(tls["certificate"], one, now)
    _check_names(tls["certificate"], chain[0], app["server_names"])
    return ChainWithKey.of(chain, private)


def warnings(pairs: dict[str, ChainWithKey]) -> list[str]:
    """Say which certificates are about to end."""
    left = {name: pair.ends - datetime.now(timezone.utc) for name, pair in pairs.items()}
    return [
        f"app '{name}': its certificate ends on {day(pairs[name].ends)}, in {left[name].days} days; renew the file that tls.certificate names"
        for name in pairs
        if left[name] < SOON
    ]


def day(moment: datetime) -> str:
    """A date as messages show it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _content(key: str, path: str, loader: DataLoader) -> bytes:
    """A file's bytes, decrypted where ansible-vault has encrypted them."""
    if not Path(path).is_file():
        raise Refusal(f"{key}: {missing(path)}")
    try:
        plain = loader.get_real_file(path)
    except AnsibleError as error:
        raise Refusal(
            f"{key}: {path} cannot be read: {error}; give the password ansible-vault encrypted it with"
        ) from error
    try:
        return Path(plain).read_bytes()
    except OSError as error:
        raise Refusal(f"{key}: {path} cannot be read: {error}; make it readable for whoever runs Ansible") from error
    finally:
        loader.cleanup_tmp_file(plain)


def _chain(path: str, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise Refusal(
            f"tls.certificate: {path} holds no certificate in PEM, which would begin with -----BEGIN CERTIFICATE-----; name the file that does"
        ) from None


def _private_key(path: str, content: bytes) -> PrivateKeyTypes:
    try:
        key = load_pem_private_key(content, None)
    except TypeError:
        raise Refusal(
            f"tls.key: {path} has a passphrase, which nginx could not ask for; take it off (openssl pkey) and encrypt the file with ansible-vault"
        ) from None
    except ValueError:
        raise Refusal(
            f"tls.key: {path} holds no private key in PEM; it has -----BEGIN PRIVATE KEY----- or its like"
        ) from None
    if isinstance(key, RSAPrivateKey) and key.key_size < SMALLEST_RSA:
        raise Refusal(
            f"tls.key: {path} is an RSA key of {key.key_size} bits, which OpenSSL refuses; make one of {SMALLEST_RSA} or more"
        )
    return key


def _check_key(tls: App, chain: list[x509.Certificate], key: PrivateKeyTypes) -> None:
    owners = [_public(one.public_key()) == _public(key.public_key()) for one in chain]
    if owners[0]:
        return
    if any(owners):
        place = owners.index(True) + 1
        raise Refusal(
            f"tls.certificate: {tls['certificate']} has the key's certificate in place {place}; put it first, then who issued it, and so on"
        )
    raise Refusal(
        f"tls.key: {tls['key']} is not the key of tls.certificate {tls['certificate']} ({_subject(chain[0])}); name the two that belong together"
    )


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _check_issuer(path: str, place: int, below: x509.Certificate, above: x509.Certificate) -> None:
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        raise Refusal(
            f"tls.certificate: in {path}, certificate {place + 1} ({_subject(above)}) did not issue certificate {place} ({_subject(below)}); "
            "put the server's first, then who issued it, and so on"
        ) from None


def moment(certificate: x509.Certificate, name: str) -> datetime:
    """When a certificate begins or ends. cryptography before 42, such as Ubuntu 24.04's, says it without a time zone."""
    found = getattr(certificate, f"{name}_utc", None)
    moment: datetime = found or getattr(certificate, name).replace(tzinfo=timezone.utc)
    return moment


def _check_time(path: str, one: x509.Certificate, now: datetime) -> None:
    begins, ends = moment(one, "not_valid_before"), moment(one, "not_valid_after")
    if ends <= now:
        raise Refusal(f"tls.certificate: {path} ({_subject(one)}) ended on {day(ends)}; renew it")
    if begins > now:
        raise Refusal(
            f"tls.certificate: {path} ({_subject(one)}) begins on {day(begins)}; wait until then, or set the controller's clock"
        )


def _check_names(path: str, leaf: x509.Certificate, server_names: list[str]) -> None:
    covered = _covered(leaf)
    missing = [name for name in certificate_names(server_names) if not _covers(covered, name)]
    if missing:
        raise Refusal(
            f"tls.certificate: {path} does not cover {', '.join(missing)} of server_names; it covers {', '.join(covered) or 'no name'}. "
            "Get one for all of them, or remove these names"
        )


def _covered(leaf: x509.Certificate) -> list[str]:
    """The names of a certificate. Only alternative names count: browsers have not read the common name for years."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _covers(covered: list[str], name: str) -> bool:
    """Tell whether one of the names is this one; a wildcard stands for one label (RFC 9525, 6.3)."""
    return name in covered or f"*.{name.partition('.')[2]}" in covered


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or ", ".join(_covered(certificate)) or "no subject"
