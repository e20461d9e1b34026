# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles' argument specs: the one place where the variables' types and defaults are written."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

ROLES = Path(__file__).resolve().parents[2] / "roles"


@functools.cache
def options(role: str, entry_point: str = "main") -> dict[str, Any]:
    """The options of a role's entry point; ``app`` of flask_app describes one entry of flask_apps."""
    specs = yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    return specs["argument_specs"][entry_point]["options"]


def check(spec: dict[str, Any], values: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the converted values with defaults, every mistake but unknown keys, and the unknown keys (dotted)."""
    result = ArgumentSpecValidator(spec).validate(values)
    mistakes = [error.msg for error in result.errors if not isinstance(error, UnsupportedError)]
    unknown = [key if isinstance(key, str) else ".".join(key) for key in result.unsupported_parameters]
    return result.validated_parameters, mistakes, sorted(unknown)


def keys_beside(spec: dict[str, Any], dotted: str) -> list[str]:
    """The keys that are known where an unknown one stands."""
    for parent in dotted.split(".")[:-1]:
        spec = spec[parent]["options"]
    return sorted(spec)
