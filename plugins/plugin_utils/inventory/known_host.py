# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What this run has read of a host (module_utils.facts.host_facts), kept among Ansible's facts for the roles that follow.

Ansible may keep facts for days (``fact_caching``), so what another run has read counts for nothing.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner

FACT = "emperor_flask_host"
STANDING = "standing"  # sets of files that need not be asked about; only until something changes


def known(variables: dict[str, Any]) -> dict[str, Any]:
    """What this run knows of the host of these variables; nothing before it was asked."""
    found: dict[str, Any] = variables.get("ansible_facts", {}).get(FACT) or {}
    return found if found.get("run") == _run() else {}


def learnt(host: dict[str, Any]) -> dict[str, Any]:
    """The facts to keep of what a host has answered."""
    return {FACT: {**host, "run": _run()}}


def noted(result: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
    """A task's result; where it has changed the host, or may have, with the facts to keep: what stood before may not stand any more."""
    host = known(variables)
    if not (result.get("changed") or result.get("failed")) or not host.get(STANDING):
        return result
    return {**result, "ansible_facts": {**result.get("ansible_facts", {}), FACT: {**host, STANDING: {}}}}


def _run() -> str:
    return str(lock_owner.current()["token"])
