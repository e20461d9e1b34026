"""Render a role's templates without a host: through the product's own code, so an undefined variable is an error here too."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ansible.template
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

# The ansible-core that a host's oldest Python can have knows no trust (scripts/old-python.sh).
KNOWS_TRUST = "trusted_as_template" in signature(DataLoader.load_from_file).parameters
TRUSTED = {"trusted_as_template": True} if KNOWS_TRUST else {}
if not KNOWS_TRUST:
    ansible.template.trust_as_template = str
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import templates  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
_rendered: dict[str, str] = {}


def render(role: str, template: str, **facts: Any) -> str:
    """Return a template's text for the role's own defaults and vars, and what a test lays over them; once for the same of each."""
    asked = repr((role, template, facts))
    if asked not in _rendered:
        _rendered[asked] = _render(role, template, facts)
    return _rendered[asked]


def _render(role: str, template: str, facts: dict[str, Any]) -> str:
    loader = DataLoader()
    variables: dict[str, Any] = {"ansible_search_path": [str(ROLES / role)]}
    for name in ("defaults/main.yml", "vars/main.yml"):
        if (ROLES / role / name).exists():
            variables |= loader.load_from_file(str(ROLES / role / name), **TRUSTED) or {}
    variables |= facts
    templar = Templar(loader=loader, variables=variables)
    # What templates.render() uses of an action plugin.
    action = SimpleNamespace(_templar=templar, _find_needle=lambda _folder, name: name)
    return templates.render(action, str(ROLES / role / "templates" / template), variables)
