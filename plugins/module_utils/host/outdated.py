# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units that go on under a unit file that has changed since they were started, until somebody starts them anew.

A mark names the invocation (systemd.exec(5), INVOCATION_ID), so it counts for no later start, whoever makes it. It is in /run: after a
restart of the host nothing is outdated.
"""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, replace_file
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import head

MARKS = "/run/emperor-flask/outdated"


def mark(pattern: str) -> None:
    """Mark the units that run and match a pattern."""
    listed = run(["systemctl", "list-units", "--plain", "--no-legend", "--state=active", pattern])
    os.makedirs(MARKS, 0o755, exist_ok=True)
    for unit in (line.split()[0] for line in listed.splitlines() if line.strip()):
        replace_file(os.path.join(MARKS, unit), _invocation(unit).encode(), Access(0o644))


def is_outdated(unit: str) -> bool:
    """Tell whether a unit runs as it was started before its unit file changed."""
    marked = head(os.path.join(MARKS, unit), 64).decode()
    return bool(marked) and marked == _invocation(unit)


def _invocation(unit: str) -> str:
    return run(["systemctl", "show", "--property=InvocationID", "--value", unit]).strip()
