# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A release's manifest: what the release was made of. One of an older version of this collection is brought to today's form when it is read."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host import box
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import SCHEMA
from ansible_collections.emperor.flask.plugins.module_utils.vassal.uwsgi_client import Health

Manifest = dict[str, Any]


class Unknown(Exception):
    """The manifest is of a form that this version does not know."""


def read(layout: Layout, release: str) -> Manifest:
    """The manifest of a release that is on the host; raise FileNotFoundError, or Unknown where a later version wrote it."""
    with open(os.path.join(layout.release(release), "manifest.json"), encoding="utf-8") as stream:
        return migrated(json.load(stream))


def migrated(manifest: Manifest) -> Manifest:
    """A manifest with all that today's have.

    Those of 0.1.0's development lack the time limits, the ceilings, the Python that carries uWSGI (there was a program) and the scheme.
    ``unlimited`` says that the release was started without ceilings. One of an app that stays awake has no ``idle``.
    """
    if manifest["schema"] != SCHEMA:
        raise Unknown(f"its manifest has schema {manifest['schema']}, and this version of emperor.flask reads {SCHEMA}")
    return {
        "timeouts": box.TIMEOUTS,
        "limits": box.LIMITS,
        "interpreter": "",
        "idle": 0,
        "unlimited": "limits" not in manifest,
        **manifest,
        "health": {"scheme": "http", **manifest["health"]},
    }


def health(layout: Layout, manifest: Manifest) -> Health:
    """The health request of a release."""
    return Health.of(layout.name, manifest["health"])
