# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's requirements files, and the digest of the virtual environment they make."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

SCHEMA = 1
INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]*(\S+)")
LOCAL = re.compile(r"^\s*(?:-e\b|--editable\b|\.{1,2}(?:/|\[|\s|$)|file:|\S+\s*@\s*file:)")


def found(source: Path, named: list[str] | None) -> list[str]:
    """The requirements files to install: those the app names, else requirements.txt where there is one."""
    if named is not None:
        return named
    return ["requirements.txt"] if (source / "requirements.txt").is_file() else []


def digest(source: Path, files: list[str], python: str, code: str) -> str:
    """Identity of the virtual environment: Python, every requirements file and what it includes.

    A requirement that is a folder of the source itself depends on the code, so its digest is part of it then.
    """
    texts = {name: text for file in files for name, text in _read(source, file).items()}
    local = any(LOCAL.match(line) for text in texts.values() for line in text.splitlines())
    identity = {"schema": SCHEMA, "python": python, "install": files, "files": texts, "code": code if local else None}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _read(source: Path, file: str, seen: frozenset[str] = frozenset()) -> dict[str, str]:
    """A file's text and, by path, the texts of the files it includes. A file that does not exist is left to pip's own message."""
    path = source / file
    if file in seen or not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    texts = {file: text}
    for line in text.splitlines():
        include = INCLUDE.match(line)
        if include:
            texts.update(_read(source, str(Path(file).parent / include.group(1)), seen | {file}))
    return texts
