# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a release, each declared once: what it takes, how it locks, what it returns, and whether nginx reloads after it.

The host's engine has a method of each name, with these keywords (steps.App); the module and the controller's plan ask here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# How a step stands to the app's lock.
BEGINS = "begins"  # takes it and leaves it to the steps that follow
GOES_ON = "goes on"  # has it from the step before
ENDS = "ends"  # frees it
UNLOCKED = "unlocked"  # neither asks for it nor waits


@dataclass(frozen=True)
class Step:
    """``takes`` are keys of an app's item, beside its name, or "units", how systemd's are; ``returns`` is what an app's result is, bool for "changed"."""

    takes: tuple[str, ...]
    lock: str = GOES_ON
    returns: Any = None
    reloads: bool = False  # nginx, once, after all apps
    hook: bool = False  # an app's own commands: one host runs them for all
    reads: bool = False  # changes nothing
    beside: bool = False  # apps take it beside each other: it waits for programs


STEPS = {
    "look": Step(("python", "limits", "units"), UNLOCKED, dict, reads=True),
    "wheels": Step(("release", "archive", "python", "limits", "with_packages", "wheels"), BEGINS, dict),
    "stage": Step(("release", "archive", "secrets", "python", "limits", "wheels"), BEGINS, dict, beside=True),
    "rollback": Step(("wanted",), BEGINS, dict),
    "take_over": Step(("activation",)),
    "before_switch": Step(("activation",), returns=list, hook=True),
    "hooked": Step((), UNLOCKED, dict, reads=True),  # asked of servers that a run leaves out
    "candidate": Step(("activation",), beside=True),
    "switch": Step(("activation",), reloads=True),
    "watch": Step(("seconds",), returns=list, beside=True),
    "retire": Step(("activation", "before", "keep", "back", "opens"), ENDS, list),
    "after_switch": Step(("activation",), UNLOCKED, list, hook=True),  # the release is over
    "revert": Step(("activation", "before"), ENDS, reloads=True),
    "maintenance": Step(("closed",), UNLOCKED, bool),  # must not wait for a release
    "remove": Step(("keep_shared",), ENDS, dict, beside=True),
}

# What an item may hold, as AnsibleModule reads it; secrets come apart, where Ansible keeps them out of the host's journal.
ITEM: dict[str, dict[str, Any]] = {
    "name": {"required": True},
    "renamed_from": {},  # the app that it was until now, where that is on the host
    "python": {},  # the interpreter
    "limits": {"default": ""},  # the text of the slice's unit file
    "release": {"type": "dict"},  # the fields of identity.Release
    "archive": {},  # path of the code, where the host lacks it
    "wheels": {},  # path of the wheels: to be written, or to be installed
    "with_packages": {"type": "list", "elements": "str"},  # of the system, for the build
    "wanted": {},  # the id of a release; without it, the one before the live one
    "before": {},  # the activation that was live
    "activation": {},  # the one that comes
    "keep": {"type": "int"},  # releases
    "seconds": {"type": "int"},  # to watch what is answered
    "why": {},  # it is released, for the audit log
    "back": {"type": "bool"},  # whether this is a rollback
    "opens": {"type": "bool", "default": False},  # whether it ends a maintenance
    "closed": {"type": "bool"},
    "keep_shared": {"type": "bool", "default": True},
}
