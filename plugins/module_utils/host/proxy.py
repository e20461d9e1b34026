# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy that the role prerequisites has made known to the host."""

from __future__ import annotations

from ansible_collections.emperor.flask.plugins.module_utils.host.files import Snapshot

FILE = "/etc/emperor-flask/proxy"


def environment(file: str = FILE) -> dict[str, str]:
    """The variables that programs read it from; none where no proxy is set."""
    lines = Snapshot.take(file).text.splitlines()
    return dict(line.split("=", 1) for line in lines)
