# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx reads what has changed: one mark of a reload that is owed, and one function that pays it, both under the host's lock.

The mark is there from before the change until after the reload, so a run that dies in between is finished by the next one. Nobody marks
while somebody reloads: the lock sees to that, and so no change is overlooked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, remove, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import STATE
from ansible_collections.emperor.flask.plugins.module_utils.nginx import program

OWED = os.path.join(STATE, "nginx-reload-owed")


@contextlib.contextmanager
def changing() -> Iterator[None]:
    """Change what nginx reads. A reload is owed from before the change on; load() makes it."""
    with host_lock():
        os.makedirs(STATE, 0o755, exist_ok=True)
        replace_file(OWED, b"", Access(0o644))
        yield


def is_due() -> bool:
    """Tell whether nginx has not read everything yet, or does not run."""
    return os.path.exists(OWED) or program.master() is None


def load() -> None:
    """Reload nginx if that is owed, or start it; raise Refusal where it does not do that, and then a reload stays owed."""
    with host_lock():
        if is_due():
            systemd.reload("nginx.service")
            remove(OWED)
