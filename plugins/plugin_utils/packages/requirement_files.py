# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requirements files as pip reads them: encodings, logical lines and options, the files that they include, and what they name of the code.

The rules are those of pip's documentation ("Requirements File Format") and of its req_file.py. pip itself is not a library, and may be missing on
the controller. Variables such as ``${TOKEN}`` are the host's; here they stay as they are.
"""

from __future__ import annotations

import codecs
import optparse
import os
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.source.git import public
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import Tree

BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
CODING = re.compile(rb"#.*?coding[:=]\s*([-\w.]+)")  # in the first two lines, as in PEP 263
COMMENT = re.compile(r"(^|\s)#.*$")
FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--pre")
VALUES = (
    ("-r", "--requirement"),
    ("-c", "--constraint"),
    ("-e", "--editable"),
    ("-f", "--find-links"),
    ("-i", "--index-url", "--pypi-url"),
    ("-C", "--config-setting", "--config-settings"),
    ("--extra-index-url",),
    ("--no-binary",),
    ("--only-binary",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--global-option",),
    ("--hash",),
)
URL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
NAMED = re.compile(r"[\w.-]+\s*(?:\[[^]]*\]\s*)?@\s*([a-z][a-z0-9+.-]*:\S*)", re.IGNORECASE)  # name [extras] @ URL
REPOSITORY = re.compile(r"(?:^|[\s@])((?:git|hg|svn|bzr)\+\S+)", re.IGNORECASE)
EXTRAS = re.compile(r"\[[^]]*\]$")
ARCHIVE = re.compile(r"\.(whl|zip|tar|tgz|tbz|txz|tlz|tar\.(gz|bz2|xz|lz|lzma))$", re.IGNORECASE)


class _Options(optparse.OptionParser):
    """Options as pip reads them, abbreviations included: pip uses optparse too."""

    def __init__(self) -> None:
        super().__init__(add_help_option=False)
        for name in FLAGS:
            self.add_option(name, action="store_true")
        for names in VALUES:
            self.add_option(*names, action="append")

    def error(self, msg: str) -> NoReturn:
        """Leave what is unknown to the pip of the host, which may be newer."""
        raise ValueError(msg)


OPTIONS = _Options()


@dataclass(frozen=True)
class Line:
    """A logical line: ``requirement`` is what it asks for, with its marker, and empty where it has options alone."""

    file: str
    text: str
    requirement: str
    options: optparse.Values

    @property
    def editable(self) -> str | None:
        """What is to be installed as a link."""
        return self._first("editable")

    @property
    def include(self) -> str | None:
        """The requirements or constraints that it includes."""
        return self._first("requirement") or self._first("constraint")

    @property
    def links(self) -> str | None:
        """A place where packages lie."""
        return self._first("find_links")

    def _first(self, option: str) -> str | None:
        return None if self.requirement else (getattr(self.options, option) or [None])[0]

    @property
    def target(self) -> str | None:
        """The URL or path that is asked for, if it is not just a package of an index."""
        named = NAMED.match(self.requirement)
        if named or URL.match(self.requirement):
            return (named[1] if named else self.requirement).partition("; ")[0].strip()
        path = EXTRAS.sub("", self.requirement.partition(";")[0].strip())
        return path if "/" in path or path.startswith(".") or ARCHIVE.search(path) else None


@dataclass(frozen=True)
class File:
    """A requirements file, by its path from the top of the source."""

    name: str
    text: str

    @property
    def lines(self) -> list[Line]:
        """Its logical lines, without comments."""
        return [_line(self.name, text) for text in _logical_lines(self.text)]


def read(tree: Tree, name: str, seen: frozenset[str] = frozenset()) -> Iterator[File]:
    """A requirements file and those that it includes; raises Refusal for what the source has not, or cannot be read."""
    if name in seen:
        return
    file = File(name, _text(tree, name))
    yield file
    for line in file.lines:
        if line.include and not is_elsewhere(line.include):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), line.include))
            _require(tree, path, line)
            yield from read(tree, path, seen | {name})


def refuse_repository(file: str, text: str, asked: str | None = None) -> None:
    """Raise Refusal where a line (``asked``: the part of it that counts) wants a package from a repository: hosts have no git."""
    found = REPOSITORY.search(text if asked is None else asked)
    if found:
        raise Refusal(
            f"{file} has '{public(text)}', a repository, which hosts have no tools to fetch; build a wheel of it into the source "
            f"(pip wheel --no-deps --wheel-dir wheels '{public(found[1])}') and require that instead (./wheels/...whl), "
            "or a release that an index has"
        )


def is_elsewhere(path: str) -> bool:
    """Tell a file of a server or of the host, and one whose name only the host knows."""
    return bool(URL.match(path)) or posixpath.isabs(path) or "${" in path


def uses_code(tree: Tree, line: Line) -> bool:
    """Tell whether a line names a part of the code; raises Refusal where the source has no such part."""
    for path in filter(None, (line.target, line.links, line.include)):
        if not URL.match(path) and "${" in path:
            return True
        if path.lower().startswith("file:"):
            path = unquote(path[len("file:") :].partition("#")[0])
            if posixpath.isabs(path):
                return True
        elif is_elsewhere(path) or path == line.include:  # what is included is read, so it need not count as code
            continue
        beside = posixpath.join(posixpath.dirname(line.file), path)
        if path != line.links or not _has(tree, beside):  # pip looks for links beside the file first
            _require(tree, posixpath.normpath(path), line)
        return True
    return False


def _require(tree: Tree, path: str, line: Line) -> None:
    if not _has(tree, path):
        raise Refusal(
            f"{line.file} has '{line.text}', but the source has no {path} (what git ignores stays behind); add it, or correct the line"
        )


def _has(tree: Tree, path: str) -> bool:
    """Tell whether a file or folder is shipped, by its real name."""
    real = os.path.relpath(os.path.realpath(tree.folder / path), os.path.realpath(tree.folder))
    return real == "." or any(name == real or name.startswith(f"{real}/") for name in tree.files)


def _text(tree: Tree, name: str) -> str:
    path = tree.folder / name
    try:
        return path.read_text(encoding=_encoding(path.read_bytes()))
    except (LookupError, UnicodeError) as error:
        raise Refusal(f"{name} cannot be read: {error}; save it as UTF-8") from error


def _encoding(content: bytes) -> str:
    """UTF-8, which builds have as their locale, unless a byte order mark or a comment says otherwise."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return encoding
    said = list(filter(None, map(CODING.match, content.split(b"\n")[:2])))
    return said[0][1].decode() if said else "utf-8"


def _logical_lines(text: str) -> Iterator[str]:
    """Lines with what continues them, without comments. A comment ends what it continues, and is not continued itself."""
    logical = ""
    for line in text.splitlines():
        comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not comment:
            logical += line.strip("\\")
            continue
        yield from _without_comment(logical + (f" {line}" if comment else line))
        logical = ""
    yield from _without_comment(logical)


def _without_comment(line: str) -> Iterator[str]:
    text = COMMENT.sub("", line).strip()
    if text:
        yield text


def _line(file: str, text: str) -> Line:
    """What stands before the first option is the requirement; only the options are split as a shell would."""
    words = text.split(" ")
    first = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        options, _unused = OPTIONS.parse_args(shlex.split(" ".join(words[first:])), OPTIONS.get_default_values())
    except ValueError:
        options = OPTIONS.get_default_values()
    return Line(file, text, " ".join(words[:first]).strip(), options)
