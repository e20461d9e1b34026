# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles' argument specs: the one place where the variables' types and defaults are written."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.module_utils.errors import UnsupportedError

# What ArgumentSpecValidator says of a value of the wrong type.
WRONG_TYPE = re.compile(
    r"(?:argument|Elements value for option) '(?P<key>\w+)' (?:found in '(?P<outer>[^']+)' )?is of type .*?"
    r"(?:found in '(?P<parent>[^']+)'\. )?and we were unable to convert to (?P<type>\w+):"
)
ECHO = re.compile(
    r"dictionary requested, could not parse|value of '\w+' must be of type dict"
)  # says the same once more
REMEDIES = {
    "int": "a whole number, such as 4",
    "bool": "true or false",
    "str": "text, in quotes",
    "list": "a list, such as [a, b]",
    "dict": "a dictionary, such as {key: value}",
}
SECRET = "secrets"  # never shown

ROLES = Path(__file__).resolve().parents[3] / "roles"


@functools.cache
def options(role: str, entry_point: str = "main") -> dict[str, Any]:
    """The options of a role's entry point; ``app`` of flask_app describes one entry of flask_apps."""
    specs = yaml_load((ROLES / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = specs["argument_specs"][entry_point]["options"]
    return found


def check(spec: dict[str, Any], values: dict[str, Any]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Return the converted values with defaults, every mistake but unknown keys, and the unknown keys (dotted)."""
    shapeless = list(_shapeless(spec, values))
    if shapeless:  # the validator fails over them
        return values, shapeless, []
    result = ArgumentSpecValidator(spec).validate(values)
    messages = [error.msg for error in result.errors if not isinstance(error, UnsupportedError)]
    mistakes = [_sentence(message, values) for message in messages if not ECHO.match(message)]
    unknown = [key if isinstance(key, str) else ".".join(key) for key in result.unsupported_parameters]
    return result.validated_parameters, mistakes, sorted(unknown)


def keys_beside(spec: dict[str, Any], dotted: str) -> list[str]:
    """The keys that are known where an unknown one stands."""
    for parent in dotted.split(".")[:-1]:
        spec = spec[parent]["options"]
    return sorted(spec)


def _shapeless(spec: dict[str, Any], values: dict[str, Any], outer: str = "") -> Iterator[str]:
    """What stands in the place of a dictionary whose keys are known, and keys that are no text."""
    for key, value in values.items():
        dotted = f"{outer}{key}"
        known = spec.get(key, {}).get("options")
        listed = spec.get(key, {}).get("type") == "list"
        if not isinstance(key, str):
            yield f"unknown key '{dotted}': put it in quotes if it is meant as a text"
        elif known and listed and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _shapeless(known, item, f"{dotted}[{index}].")
                else:
                    yield f"{dotted}[{index}] is {item!r}; write {REMEDIES['dict']}"
        elif known and listed and value is not None:
            yield f"{dotted} is {value!r}; write a list of dictionaries, such as [{{name: mail, command: ...}}]"
        elif known and isinstance(value, dict):
            yield from _shapeless(known, value, f"{dotted}.")
        elif known and value is not None:
            yield f"{dotted} is {value!r}; write {REMEDIES['dict']}"


def _sentence(message: str, values: dict[str, Any]) -> str:
    """The validator's message; for a wrong type one that names the dotted key, the value and the remedy."""
    found = WRONG_TYPE.match(message)
    if not found:
        return message
    path = [*re.split(r" -> |\.", found["parent"] or found["outer"] or ""), found["key"]]
    keys = [key for key in path if key]
    value: Any = values
    for key in keys:
        # Of a list's items, those that state the key.
        items = [item[key] for item in value if key in item] if isinstance(value, list) else []
        value = value.get(key) if isinstance(value, dict) else items[0] if len(items) == 1 else items
    shown = "no such thing" if keys[0] == SECRET else repr(value)
    return f"{'.'.join(keys)} is {shown}; write {REMEDIES.get(found['type'], found['type'])}"
