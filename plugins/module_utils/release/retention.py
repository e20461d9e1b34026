# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which releases stay on a host, and what nobody needs any more.

The modification time of a release's folder is when it was last deployed; where the clock was put back, it is a second after the
newest other one. One that never served has the time NEVER, one that was rolled back the time WITHDRAWN. So ``ls -lt releases/`` is
the order in which a rollback goes back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.background import handover, unit_files
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    half_written,
    link_target,
    names_in,
    remove,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import COMPLETE, Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import manifest, static_files
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations

SECOND = 10**9  # nanoseconds
NEVER = 0  # nanoseconds since the epoch
WITHDRAWN = 10**9


def served(layout: Layout) -> list[str]:
    """The releases that were live once, the last deployed first, those that were rolled back last."""
    times = {name: _time(layout, name) for name in names_in(layout.releases) if not name.endswith(".partial")}
    return sorted((name for name, when in times.items() if when != NEVER), key=lambda name: -times[name])


def mark_served(layout: Layout, release: str) -> None:
    """Remember that a release was deployed just now: later than every other, whatever the clock says."""
    others = [_time(layout, name) for name in served(layout) if name != release]
    _set_time(layout, release, max(time.time_ns(), max(others, default=NEVER) + SECOND))


def mark_staged(layout: Layout, release: str) -> None:
    """Remember that a release was made and has not served yet."""
    _set_time(layout, release, NEVER)


def mark_withdrawn(layout: Layout, release: str) -> None:
    """Remember that a release was rolled back: no rollback goes to it unless it is named."""
    _set_time(layout, release, WITHDRAWN)


def before(layout: Layout, release: str) -> str | None:
    """The release that a rollback from this one goes to: the one deployed before it that was not rolled back itself."""
    order = [name for name in served(layout) if name == release or _time(layout, name) != WITHDRAWN]
    older = order[order.index(release) + 1 :] if release in order else order
    return older[0] if older else None


def debris(layout: Layout) -> bool:
    """Tell whether a run that died left something: a release that never served, half of a store's entry, or of a file."""
    stores = (layout.releases, layout.codes, layout.venvs, layout.statics)
    partial = any(name.endswith(".partial") for store in stores for name in names_in(store))
    return partial or bool(_half_written(layout)) or bool(set(names_in(layout.releases)) - set(served(layout)))


def prune(layout: Layout, keep: int | None) -> None:
    """Remove all but the last ``keep`` releases (None: all that served), what never served, and stores nobody points to.

    The live release always stays, and so does one that served and whose vassal still finishes its requests. Static files stay for one
    release more, and so do the links to them. The virtual environment of a release that failed (``keep`` is None) stays for the next try, and
    so does the code that its hooks have built: they may have taken minutes, and had nothing to do with the failure. They go with the next
    release that succeeds, or makes others.
    """
    for path in _half_written(layout):
        remove(path)
    current = os.path.basename(link_target(layout.current) or "")
    order = [name for name in served(layout) if name != current]
    busy = {activation.release for activation in activations.running(layout)} & set(order)
    busy |= {start.release for start in handover.starts(layout)} & set(order)  # workers that finish their jobs
    needed = {current, *order[: None if keep is None else keep - 1]} | busy
    gone = [name for name in names_in(layout.releases) if name not in needed]
    kept = [*_youngest_venv(layout), *_built(layout, gone)] if keep is None else []
    for name in gone:
        _remove_tree(layout.release(name))
    stay = {*static_files.LINKS, *static_files.linked(layout), *kept}
    for store, link in ((layout.codes, "code"), (layout.venvs, "venv"), (layout.statics, "static")):
        targets = {link_target(os.path.join(layout.release(name), link)) for name in names_in(layout.releases)}
        for name in names_in(store):
            if name not in {os.path.basename(target) for target in targets if target} | stay:
                _remove_tree(os.path.join(store, name))


def _half_written(layout: Layout) -> list[str]:
    """What a run was killed over: secrets, inis and units, of numbers that do not come back, so that no later run replaces them."""
    folders = (layout.secrets, layout.vassals)
    return [*(path for folder in folders for path in half_written(folder)), *unit_files.half_written(layout)]


def _youngest_venv(layout: Layout) -> list[str]:
    """The complete virtual environment that was made last, by the time of its last rename; none if there is none."""
    names = [name for name in names_in(layout.venvs) if os.path.exists(os.path.join(layout.venv(name), COMPLETE))]
    return sorted(names, key=lambda name: os.stat(layout.venv(name)).st_ctime_ns)[-1:]


def _built(layout: Layout, releases: list[str]) -> Iterator[str]:
    """The code of these releases that build hooks have made."""
    for name in releases:
        # Half of a release has no manifest, or half of one.
        with contextlib.suppress(OSError, ValueError, KeyError, manifest.Unknown):
            hooks = manifest.read(layout, name)["hooks"]["build"]
            if hooks:
                yield os.path.basename(os.readlink(os.path.join(layout.release(name), "code")))


def _set_time(layout: Layout, release: str, when: int) -> None:
    os.utime(layout.release(release), ns=(when, when))


def _time(layout: Layout, release: str) -> int:
    return os.stat(layout.release(release)).st_mtime_ns


def _remove_tree(path: str) -> None:
    """Out of the way first, so that a run that dies in between leaves a ``.partial`` and no half of an entry."""
    doomed = path if path.endswith(".partial") else f"{path}.partial"
    with contextlib.suppress(FileNotFoundError):
        if doomed != path:
            shutil.rmtree(doomed, ignore_errors=True)
            os.rename(path, doomed)
        shutil.rmtree(doomed)
