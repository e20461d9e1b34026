# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The workers and timers of a release, as its folder states them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field

from ansible_collections.emperor.flask.plugins.module_utils.host.files import Snapshot
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

FILE = "background.json"  # of a release that has any


@dataclass(frozen=True)
class Worker:
    """A program that always runs. ``check`` and ``stop_timeout`` are seconds; without ``overlap`` no two releases may run it at once.

    ``check_command``, where there is one, has to succeed before its release may serve.
    """

    name: str
    command: str
    processes: int
    stop_signal: str
    stop_timeout: int
    check: int
    overlap: bool
    check_command: str = ""


@dataclass(frozen=True)
class Timer:
    """A command that runs at set times. ``timeout`` and ``jitter`` are seconds, ``overlap`` is skip, queue or kill."""

    name: str
    command: str
    schedule: str
    overlap: str
    timeout: int
    jitter: int


@dataclass(frozen=True)
class Background:
    """What a release runs beside its vassal."""

    workers: list[Worker] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)


def read(layout: Layout, release: str) -> Background:
    """What a release that is on the host has."""
    content = Snapshot.take(os.path.join(layout.release(release), FILE)).content
    return parsed(content.decode()) if content else Background()


def parsed(text: str) -> Background:
    """What the text of a release's file says; empty, it has nothing."""
    stated = json.loads(text) if text else {"workers": [], "timers": []}
    return Background(
        [Worker(**worker) for worker in stated["workers"]], [Timer(**timer) for timer in stated["timers"]]
    )
