# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment files for a POSIX shell to source.

uWSGI's own ``env`` and ``for-readline`` expand ``%n``, ``$(…)`` and ``@(file)`` inside values, and its ``envdir`` drops
trailing white space and empty values; a shell's single quotes alter nothing.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# uWSGI takes variables with this prefix for options; a shell gives these names a meaning of its own.
UWSGI_PREFIX = "UWSGI_"
OWN = "EMPEROR_VASSAL"  # vassal-exec sets it to the name of the vassal
SHELL_NAMES = frozenset({"BASHOPTS", "EUID", "LINENO", "OPTIND", "PPID", "SHELLOPTS", "UID"})


def exports(values: dict[str, str]) -> str:
    """Return lines of ``export NAME='…'`` that hand every value on byte by byte.

    Raises ValueError for a name that cannot be exported and for a value with a NUL byte.
    """
    return "".join(f"export {_checked(name)}={_quoted(name, value)}\n" for name, value in values.items())


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"'{name}' cannot name an environment variable: use letters, digits and _, no digit first")
    if name == OWN or name in SHELL_NAMES or name.startswith(UWSGI_PREFIX):
        raise ValueError(
            f"'{name}' cannot be set for an app: the shell, uWSGI or emperor.flask gives it a meaning of its own"
        )
    return name


def _quoted(name: str, value: str) -> str:
    if "\0" in value:
        raise ValueError(f"the value of '{name}' holds a NUL byte, which no environment variable can")
    return "'" + value.replace("'", "'\\''") + "'"
