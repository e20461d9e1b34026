# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with the keys that say how nginx serves an app: static files, limits, headers.

Each function yields sentences that name the key, the value and the remedy; the caller puts the app's name before them.
"""

from __future__ import annotations

import itertools
import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.emperor.flask.plugins.plugin_utils.source.source import Source

App = dict[str, Any]

PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
MOST = 100_000  # of any limit: more is a mistake
CEILINGS = ("nginx_client_connections", "nginx_client_uploads")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
VALUE = re.compile(r"[ -~]+")
OTHERWISE = {
    "strict-transport-security": "say tls.hsts, which keeps it from plain HTTP",
    "x-request-id": "every answer has it already; remove it",
    "x-emperor-release": "no answer has it; remove it",
}
PAGES = "/emperor_pages"  # where nginx has its own


def with_default_headers(stated: dict[Any, Any], defaults: dict[str, str]) -> dict[Any, Any]:
    """The security headers of an app: its own, and the defaults that it says nothing of, whichever letters it writes them with."""
    own = {str(name).lower() for name in stated}
    merged = {**{name: value for name, value in defaults.items() if name.lower() not in own}, **stated}
    return {name: value for name, value in merged.items() if value not in ("", None)}


def mistakes(app: App) -> Iterator[str]:
    """What is wrong with the form of an app's keys."""
    yield from _static(app)
    yield from _limits(app)
    yield from _headers(app)


def source_mistakes(app: App, source: Source) -> Iterator[str]:
    """What is wrong with the folders of ``static``, as far as the source tells: build hooks may make more, and a package has its own."""
    if source.package is not None or app["hooks"]["build"]:
        return
    right = {prefix: folder for prefix, folder in app["static"].items() if _is_folder_of_code(folder)}
    for prefix, folder in right.items():
        top = posixpath.normpath(folder)
        inside = [name for name in source.files if name == top or name.startswith(f"{top}/")]
        path = source.folder / top
        if not inside and path.is_dir():
            yield f"static names '{folder}' for {prefix}, but no file of {path} is shipped: git ignores them, or there is none"
        elif not inside or path.is_file():
            yield f"static names '{folder}' for {prefix}, but there is no folder {path}; correct it, or let a build hook make it"
        for name in inside:
            yield from _link(folder, path, source.folder / name)


def _static(app: App) -> Iterator[str]:
    for prefix, folder in app["static"].items():
        if not isinstance(prefix, str) or not PREFIX.fullmatch(prefix):
            yield f"static has '{prefix}', which is not a path of URLs; write it like /static, without a slash at its end"
            continue
        if _is_within(prefix, PAGES):
            yield f"static has '{prefix}', which nginx answers itself; choose another path"
        if not _is_folder_of_code(folder):
            yield f"static names '{folder}' for {prefix}; write a folder of the code that everybody may read, such as shop/static"
            continue
        for shared in app["shared"]:
            if _is_within(shared, folder) or _is_within(folder, shared):
                yield (
                    f"static names '{folder}' for {prefix}, and shared '{shared}': nginx serves what belongs to a release alone, "
                    "so keep them apart and let the app serve what it shares"
                )
    for one, other in itertools.permutations(filter(_is_text, app["static"]), 2):
        if _is_within(one, other):
            yield f"static has '{one}' within '{other}'; put the files together, or choose a path beside it"


def _limits(app: App) -> Iterator[str]:
    limits = {f"rate_limit.{key}": value for key, value in app["rate_limit"].items()}
    yield from _numbers({**limits, "connection_limit": app["connection_limit"]})


def ceilings(variables: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the limits that nginx has for a client over all apps."""
    given = {name: variables[name] for name in CEILINGS if isinstance(variables.get(name), int)}
    yield from _numbers({name: value for name, value in given.items() if not isinstance(value, bool)})


def _numbers(limits: dict[str, int]) -> Iterator[str]:
    for key, value in limits.items():
        if isinstance(value, bool) or not 0 <= value <= MOST:
            yield f"{key} is {value}; write a whole number from 0, for no limit, to {MOST}"


def _headers(app: App) -> Iterator[str]:
    for name, value in app["security_headers"].items():
        if not isinstance(name, str) or not HEADER.fullmatch(name):
            yield f"security_headers has '{name}', which is not the name of a header; write one like X-Frame-Options"
        elif name.lower() in OTHERWISE:
            yield f"security_headers has '{name}'; {OTHERWISE[name.lower()]}"
        elif isinstance(value, bool) or not isinstance(value, (str, int)) or not VALUE.fullmatch(str(value)):
            yield f"security_headers.{name} is {value!r}; write its value as one line of plain text, in quotes"
    for name, count in Counter(str(name).lower() for name in app["security_headers"]).items():
        if count > 1:
            yield f"security_headers has '{name}' {count} times, in other letters; keep one"


def _link(folder: str, top: Path, path: Path) -> Iterator[str]:
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(top)):
        yield f"static: the link {path} leads out of '{folder}'; replace it by the file"


def _is_folder_of_code(folder: Any) -> bool:
    if not isinstance(folder, str) or not folder.strip() or folder.startswith("/"):
        return False
    return posixpath.normpath(folder).split("/")[0] not in ("..", ".")


def _is_within(path: str, other: str) -> bool:
    path, other = posixpath.normpath(path), posixpath.normpath(other)
    return path == other or path.startswith(f"{other}/")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
