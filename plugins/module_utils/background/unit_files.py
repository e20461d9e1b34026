# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit files of an app's workers and timers on the host, and the links that start them with it."""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import STARTED
from ansible_collections.emperor.flask.plugins.module_utils.host import box, files, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    ensure_directory,
    names_in,
    remove,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

FOLDER = "/etc/systemd/system"
WANTS = "uwsgi-emperor.target.wants"


def of_app(layout: Layout) -> list[str]:
    """The units of an app's workers and timers that have a file."""
    return _names(layout, FOLDER)


def linked(layout: Layout) -> list[str]:
    """Those that start with the host."""
    return _names(layout, os.path.join(FOLDER, WANTS))


def half_written(layout: Layout) -> list[str]:
    """The paths of what was begun beside them by a run that was killed over it."""
    folders = (FOLDER, os.path.join(FOLDER, WANTS))
    return [path for folder in folders for path in files.half_written(folder, _prefixes(layout))]


def differ(texts: dict[str, str]) -> list[str]:
    """The units whose file has not the text that it should have, or that should start with the host and do not."""
    return [unit for unit, text in texts.items() if not _is(unit, text) or not _starts(unit, text)]


def write(texts: dict[str, str]) -> list[str]:
    """Write unit files, let those start with the host that are meant to, and make systemd read them; return those that were another before."""
    changed = [
        unit for unit, text in texts.items() if not _is(unit, text) and os.path.exists(os.path.join(FOLDER, unit))
    ]
    missing = differ(texts)
    for unit in missing:
        replace_file(os.path.join(FOLDER, unit), texts[unit].encode(), Access(0o644))
        if STARTED in texts[unit]:
            link([unit])
    if missing:
        systemd.daemon_reload()
    return changed


def link(units: list[str]) -> None:
    """Let units start with the host."""
    for unit in units:
        ensure_directory(os.path.join(FOLDER, WANTS), Access(0o755))
        replace_link(os.path.join(FOLDER, WANTS, unit), os.path.join(FOLDER, unit))


def unlink(units: list[str]) -> None:
    """Let units no longer start with the host."""
    for unit in units:
        remove(os.path.join(FOLDER, WANTS, unit))


def take_away(units: list[str]) -> None:
    """Remove unit files, of what does not run any more."""
    unlink(units)
    for unit in units:
        remove(os.path.join(FOLDER, unit))
    if units:
        systemd.forget_failures(units)
        systemd.daemon_reload()


def _names(layout: Layout, folder: str) -> list[str]:
    return [name for name in names_in(folder) if name.startswith(_prefixes(layout)) and not name.endswith(files.NEW)]


def _prefixes(layout: Layout) -> tuple[str, str]:
    app = box.escaped(layout.name)
    return f"emperor-worker-{app}-", f"emperor-timer-{app}-"


def _is(unit: str, text: str) -> bool:
    return Snapshot.take(os.path.join(FOLDER, unit)).content == text.encode()


def _starts(unit: str, text: str) -> bool:
    return STARTED not in text or os.path.islink(os.path.join(FOLDER, WANTS, unit))
