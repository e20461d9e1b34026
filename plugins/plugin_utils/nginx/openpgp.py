# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public keys in OpenPGP files (RFC 4880, RFC 9580): read packet by packet, so that no gpg is needed to pin a key by its fingerprint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE, KEY, USER_ID, SUBKEY = 2, 6, 13, 14
ARMOR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
FINGERPRINT = re.compile(r"[0-9A-F]{40}")


class NotOpenPGP(ValueError):
    """The bytes are no file of public keys."""


@dataclass(frozen=True)
class Packet:
    """One packet: what it is, its content, and its bytes as they stand in the file."""

    tag: int
    body: bytes
    raw: bytes

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of a version 4 key; other versions have none that could be pinned."""
        if self.body[:1] != b"\x04":
            return None
        return hashlib.sha1(b"\x99" + len(self.body).to_bytes(2, "big") + self.body).hexdigest().upper()


def normalized(fingerprint: str) -> str:
    """A fingerprint without the blanks people write into it, in capitals."""
    return re.sub(r"\s", "", fingerprint).upper()


def select(data: bytes, wanted: list[str]) -> tuple[bytes, list[str]]:
    """Return the pinned keys of a file, and the fingerprints of all its primary keys.

    Of a pinned key its user ids and signatures are kept, which carry its expiry; a subkey only if it is pinned itself.
    Everything else of the file is dropped. Raises NotOpenPGP.
    """
    pinned = {normalized(fingerprint) for fingerprint in wanted}
    kept, found, keeping, primary = b"", [], False, False
    for packet in packets(dearmored(data)):
        if packet.tag == KEY:
            found.append(packet.fingerprint or f"a key of version {packet.body[0] if packet.body else '?'}")
            keeping = primary = packet.fingerprint in pinned
        elif packet.tag == SUBKEY:
            keeping = primary and packet.fingerprint in pinned
        elif packet.tag not in (SIGNATURE, USER_ID):
            continue
        if keeping:
            kept += packet.raw
    if not found:
        raise NotOpenPGP("it holds no public key")
    return kept, found


def packets(data: bytes) -> Iterator[Packet]:
    """The packets of a binary file, with lengths of either format; keys never have partial or open ones."""
    start = 0
    while start < len(data):
        head, position = data[start], start + 1
        if not head & 0x80:
            raise NotOpenPGP("it is not an OpenPGP file")
        if head & 0x40:
            tag, first = head & 0x3F, _number(data, position, 1)
            if first < 192:
                length, position = first, position + 1
            elif first < 224:
                length, position = ((first - 192) << 8) + _number(data, position + 1, 1) + 192, position + 2
            elif first == 255:
                length, position = _number(data, position + 1, 4), position + 5
            else:
                raise NotOpenPGP("a packet has a partial length")
        else:
            tag, size = head >> 2 & 0x0F, 1 << (head & 3)
            if size == 8:
                raise NotOpenPGP("a packet has no length")
            length, position = _number(data, position, size), position + size
        end = position + length
        if end > len(data):
            raise NotOpenPGP("it ends in the middle of a packet")
        yield Packet(tag, data[position:end], data[start:end])
        start = end


def _number(data: bytes, position: int, size: int) -> int:
    if position + size > len(data):
        raise NotOpenPGP("it ends in the middle of a packet")
    return int.from_bytes(data[position : position + size], "big")


def dearmored(data: bytes) -> bytes:
    """The bytes of an armored file, all its blocks; a binary one as it is. Headers and checksums are skipped: fingerprints say more."""
    blocks = ARMOR.findall(data)
    if not blocks:
        return data
    try:
        return b"".join(base64.b64decode(b"".join(_lines(block)), validate=True) for block in blocks)
    except binascii.Error as error:
        raise NotOpenPGP(f"its armor is broken: {error}") from error


def _lines(block: bytes) -> Iterator[bytes]:
    for line in map(bytes.strip, block.splitlines()):
        if b":" not in line and not line.startswith(b"="):
            yield line


def armored(data: bytes) -> str:
    """A binary file in armor, which apt reads and people can compare. With its checksum: gpg 2.2 does not find the end without one."""
    text = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 64))
    checksum = base64.b64encode(_crc24(data).to_bytes(3, "big")).decode()
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{text}\n={checksum}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def _crc24(data: bytes) -> int:
    """The checksum of armor (RFC 4880, 6.1)."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _unused in range(8):
            crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF
