"""What holds for every module."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "ansible_collections.emperor.flask.plugins.modules"
FOLDER = Path(__file__).resolve().parents[4] / "plugins/modules"
# A module whose work is done on the controller has documentation and no code.
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "AnsibleModule(" in path.read_text(encoding="utf-8"))


class Captured(Exception):
    """Holds the argument spec a module was about to use."""


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = importlib.import_module(f"{PACKAGE}.{name}")

    def capture(argument_spec: dict[str, Any], **_options: Any) -> None:
        raise Captured(argument_spec)

    monkeypatch.setattr(module, "AnsibleModule", capture)
    with pytest.raises(Captured) as captured:
        module.main()
    return captured.value.args[0]


@pytest.mark.parametrize("name", MODULES)
def test_no_secret_is_nested_in_a_parameter(name, monkeypatch):
    """AnsibleModule writes its parameters into the host's journal, nested ones by repr(): a secret of several lines would stand there."""

    def nested(options: dict[str, Any]) -> bool:
        return any(option.get("no_log") or nested(option.get("options", {})) for option in options.values())

    spec = argument_spec(name, monkeypatch)
    assert not any(nested(option.get("options", {})) for option in spec.values())
    request = importlib.import_module(f"{PACKAGE}.{name}")
    assert not nested(getattr(request, "REQUEST", {}))
