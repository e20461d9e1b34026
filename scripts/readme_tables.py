#!/usr/bin/env python3
"""Write the tables of variables in the roles' READMEs from meta/argument_specs.yml, the one place where they are described.

A table that starts with `| Variable |` lists the entry point `main`; one that starts with `| Key |` lists `app`, an entry of
flask_apps. Run it after changing a spec; a unit test holds the two equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[1] / "roles"
FIRST_COLUMN = {"main": "Variable", "app": "Key"}


def updated(role: Path) -> str:
    """Return the text a role's README should have; a spec without its table in the README is a ValueError."""
    text = (role / "README.md").read_text(encoding="utf-8")
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    for entry_point in FIRST_COLUMN.keys() & specs.keys():
        column = FIRST_COLUMN[entry_point]
        new = "\n".join(
            [f"| {column} | Type | Default | Description |", "|---|---|---|---|", *_rows(specs[entry_point]["options"])]
        )
        text, count = re.subn(rf"^\| {column} \|.*(\n\|.*)*", lambda _, new=new: new, text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{role.name}/README.md has {count} tables that start with '| {column} |', instead of one")
    return text


def _rows(options: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """A row for each option, nested ones with dotted names after their parent."""
    for name, option in options.items():
        kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
        cells = [f"`{prefix}{name}`", kind, _default(option), _markdown(option["description"])]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield from _rows(option.get("options", {}), f"{prefix}{name}.")


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "required"
    if option.get("default") is None or "options" in option:
        return ""
    default = option["default"]
    return f"`{default}`" if isinstance(default, str) and default else f"`{json.dumps(default)}`"


def _markdown(description: str | list[str]) -> str:
    """Ansible's markup as Markdown: C(code), M(module) and O(option) are code, and a backslash protects a bracket."""
    text = " ".join(description) if isinstance(description, list) else description
    text = re.sub(r"\b[CMOV]\(((?:[^()\\]|\\.)*)\)", r"`\1`", " ".join(text.split()))
    return re.sub(r"\\([()])", r"\1", text)


def main() -> None:
    """Rewrite every README that differs, and name it."""
    for spec in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = spec.parents[1]
        readme, text = role / "README.md", updated(role)
        if readme.read_text(encoding="utf-8") != text:
            readme.write_text(text, encoding="utf-8")
            print(f"wrote {readme.relative_to(ROLES.parent)}")


if __name__ == "__main__":
    main()
