# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the metrics for Prometheus are written: whether root can write there safely, and whether somebody would read them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

VARIABLE = "flask_app_metrics_path"
FORM = re.compile(r"(/[\w.@+-]+)+\.prom", re.ASCII)  # systemd would read more into other characters
OTHERS = ("/var/www/", "/var/log/uwsgi/", "/tmp/", "/var/tmp/", "/dev/")  # where apps and others make files and links
EXAMPLE = "/var/lib/prometheus/node-exporter/emperor_flask.prom"


def mistakes(given: dict[str, Any]) -> Iterator[str]:
    """What is no path for it."""
    path = str(given.get(VARIABLE) or "")
    if path and (not FORM.fullmatch(path) or posixpath.normpath(path) != path):
        yield f"{VARIABLE} is '{path}'; write an absolute path of letters, digits and ._@+- that ends in .prom, such as {EXAMPLE}"
    elif path.startswith(OTHERS):
        yield f"{VARIABLE} is '{path}', where others than root make files; write one such as {EXAMPLE}"


def folders(path: str) -> list[str]:
    """The folders that have to be on a host."""
    return [posixpath.dirname(path)] if path else []


def refusals(host: dict[str, Any]) -> Iterator[str]:
    """Folders that are not on a host."""
    for folder in host["missing_folders"]:
        yield (
            f"{VARIABLE} is in {folder}, which is not on this host; install prometheus-node-exporter there first, "
            "or name the folder that its --collector.textfile.directory names"
        )
