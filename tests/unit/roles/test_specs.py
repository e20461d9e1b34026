"""A role's defaults and README say what its argument spec says."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PYTHON_TYPES = {"bool": bool, "dict": dict, "float": float, "int": int, "list": list, "path": str, "str": str}

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path: Path) -> Any:
    """A YAML file's content."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def entry_points(role: Path) -> dict[str, Any]:
    """A role's spec, by entry point."""
    return load(role / "meta/argument_specs.yml")["argument_specs"]


def every_option(options: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All options, nested ones too, with dotted names."""
    for name, option in options.items():
        yield prefix + name, option
        yield from every_option(option.get("options", {}), f"{prefix}{name}.")


@every_role
def test_defaults_are_those_of_the_spec(role):
    path = role / "defaults/main.yml"
    defaults = load(path) or {} if path.exists() else {}
    options = entry_points(role)["main"]["options"]
    specified = {name: option["default"] for name, option in options.items() if "default" in option}
    # repr tells true from 1 and "1" from 1, which compare equal or look alike
    assert {name: repr(value) for name, value in defaults.items()} == {
        name: repr(value) for name, value in specified.items()
    }


@every_role
def test_every_option_has_type_and_description_and_a_default_of_its_type(role):
    for spec in entry_points(role).values():
        for name, option in every_option(spec["options"]):
            assert option["description"], name
            if option.get("default") is not None:
                assert type(option["default"]) is PYTHON_TYPES[option["type"]], name
            assert ("elements" in option) == (option["type"] == "list"), (
                f"{name}: a list names the type of its elements"
            )


@every_role
def test_public_variables_carry_the_name_of_their_role(role):
    own = {"load_balancer": "fleet"}.get(role.name, role.name.removesuffix("_app"))  # a fleet's concern servers too
    assert all(name.startswith(f"{own}_") for name in entry_points(role)["main"]["options"])
    private = load(role / "vars/main.yml") if (role / "vars/main.yml").exists() else {}
    assert all(name.startswith(f"__{role.name}_") for name in private or {})


@every_role
def test_readme_is_what_scripts_readme_tables_writes(role):
    module_spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "scripts/readme_tables.py")
    readme_tables = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(readme_tables)
    assert (role / "README.md").read_text(encoding="utf-8") == readme_tables.updated(role), (
        "run scripts/readme_tables.py"
    )


@every_role
def test_a_variable_for_a_template_of_the_users_is_used(role):
    tasks = (role / "tasks/main.yml").read_text(encoding="utf-8")
    variables = [name for name in entry_points(role)["main"]["options"] if name.endswith("_template")]
    assert [name for name in variables if f'replacement: "{{{{ {name} }}}}"' not in tasks] == []
