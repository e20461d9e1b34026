"""A run warns of a package of nginx.org with a known hole."""

import pytest
import yaml
from ansible_collections.emperor.flask.plugins.action import nginx_package
from render import ROLES

HOLES = yaml.safe_load((ROLES / "nginx/vars/main.yml").read_text())["__nginx_holes"]


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ("0.8.41-1~jammy", False),
        ("1.18.0-1~jammy", True),
        ("1.30.0-1~trixie", True),
        ("1.30.1-1~trixie", False),
        ("1.31.0-1~trixie", False),
        (None, False),
    ],
)
def test_a_package_is_warned_of_where_its_version_has_a_hole(monkeypatch, version, warned):
    said = []
    monkeypatch.setattr(nginx_package.display, "warning", said.append)
    action = object.__new__(nginx_package.ActionModule)
    action._vars = {"inventory_hostname": "web1"}
    action._warn(version, HOLES)
    assert bool(said) is warned
    for sentence in said:
        assert f"nginx {version} on web1" in sentence and "CVE-2026-42946" in sentence
        assert "which 1.30.1 mends: let apt upgrade it" in sentence
