# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apps, hooks and builds said, as an operator's terminal may show it: without secrets, with every control character visible.

An app may say a secret, by mistake or as part of an error, and its log may hold what would drive a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

SHORT = 4  # a secret, or a line of one, of fewer characters is not blotted out of messages: it would blot out much else
BLOT = "********"
# The parts of a task's result that hold the words of others. The rest is the collection's own, and a plan is read again.
SAID = ("msg", "exception", "module_stdout", "module_stderr", "hooks", "failures")


def of(result: dict[str, Any], secrets: Iterable[str] = ()) -> dict[str, Any]:
    """A task's result as it may be shown.

    Of a module's failure ansible-core keeps the message a second time, in an ``exception`` that is not text, and it is what is printed
    first. It is left away: ansible-core makes it anew from ``msg``.
    """
    kept = {key: part for key, part in result.items() if key != "exception" or isinstance(part, str)}
    needles = _needles(secrets)
    return {key: _shown(part, needles) if key in SAID else part for key, part in kept.items()}


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """A text as it may be shown."""
    return str(_shown(text, _needles(secrets)))


def visible(text: str) -> str:
    """A text with an escape such as ``\\x1b`` or ``\\u202e`` for everything but printable characters, newlines and tabs.

    A carriage return before a newline is part of it.
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else character.encode("unicode_escape").decode()
        for character in text.replace("\r\n", "\n")
    )


def _shown(part: Any, needles: set[str]) -> Any:
    """Blot out before and after control characters are made visible: a secret may hold some, and may come to light by it."""
    if isinstance(part, dict):
        return {key: _shown(value, needles) for key, value in part.items()}
    if isinstance(part, list):
        return [_shown(value, needles) for value in part]
    return _blotted(visible(_blotted(part, needles)), needles) if isinstance(part, str) else part


def _blotted(text: str, needles: set[str]) -> str:
    """Blot out whatever any needle covers, so that of two that overlap neither leaves a part of the other."""
    covered = bytearray(len(text))
    for needle in needles:
        start = text.find(needle)
        while start >= 0:
            covered[start : start + len(needle)] = b"\x01" * len(needle)
            start = text.find(needle, start + 1)
    kept, end = [], 0
    for blot in re.finditer(rb"\x01+", bytes(covered)):
        kept += [text[end : blot.start()], BLOT]
        end = blot.end()
    return "".join([*kept, text[end:]])


def _needles(secrets: Iterable[str]) -> set[str]:
    """Every text that would tell a secret, or a line of one."""
    pieces = {piece for secret in secrets for piece in _pieces(secret) if len(piece) >= SHORT}
    forms = {form for piece in pieces for form in _forms(piece)}
    return forms | {visible(form) for form in forms}


def _pieces(secret: str) -> Iterator[str]:
    """A secret, whole and line by line, also without the white space around it. Whoever reads output by lines makes other line ends."""
    lines = secret.splitlines()
    yield from (secret, secret.strip(), "\n".join(lines), *lines, *(line.strip() for line in lines))


def _forms(text: str) -> Iterator[str]:
    """A text as it is, and as Python, JSON, URLs and shells write it within quotes, whichever quotes these are."""
    yield text
    parts = text.split("'")  # without it, repr() has no reason to escape a quote
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    for escaped in (map(repr, parts), map(ascii, parts), (repr(part)[1:] for part in encoded)):
        bare = [part[1:-1] for part in escaped]
        yield "'".join(bare)
        yield "\\'".join(bare)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    for safe in ("", "/"):
        yield quote(text, safe, errors="surrogatepass")
        yield quote_plus(text, safe, errors="surrogatepass")
    yield text.replace("'", "'\"'\"'")
    yield text.replace("'", "'\\''")
