"""Certificates of every kind, right and wrong, made by an authority of the tests' own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class Issued:
    """A certificate with its key; ``chain`` are the certificates above it, as PEM."""

    own: x509.Certificate
    private: Any
    chain: str = ""

    @property
    def pem(self) -> str:
        """The certificate alone."""
        return self.own.public_bytes(Encoding.PEM).decode()

    @property
    def certificate(self) -> str:
        """The file that a server needs."""
        return self.pem + self.chain

    @property
    def key(self) -> str:
        """The private key."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def issue(
    subject: str,
    names: list[str],
    *,
    issuer: Issued | None = None,
    begins: timedelta = timedelta(days=-1),
    ends: timedelta = timedelta(days=90),
    private: Any = None,
) -> Issued:
    """Issue a certificate; without an issuer it is signed with its own key. Times are from now."""
    private = private or ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name.from_rfc4514_string(f"CN={subject}"), datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder(name if issuer is None else issuer.own.subject, name, private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False
        )
    own = builder.sign(issuer.private if issuer else private, hashes.SHA256())
    return Issued(own, private, issuer.certificate if issuer and issuer.chain else (issuer.pem if issuer else ""))


def leaf(names: list[str], **changes: Any) -> Issued:
    """A server's certificate for these names, with the authority's after it."""
    return issue(names[0], names, issuer=issue("Test authority", []), **changes)
