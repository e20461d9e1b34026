"""The units that run code of apps: their sandbox is that of the Emperors' unit, their slice the app's, their arguments arrive as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.argument_specs import options
from render import ROOT, render

# The version of systemd that has known a setting of the box, as systemd.exec(5) and systemd.resource-control(5) say.
SINCE = {
    "CapabilityBoundingSet": 183,
    "Environment": 183,
    "IPAddressDeny": 235,
    "LockPersonality": 235,
    "NoNewPrivileges": 187,
    "PrivateDevices": 209,
    "PrivateIPC": 248,
    "PrivateTmp": 183,
    "PrivateUsers": 232,
    "ProtectClock": 245,
    "ProtectControlGroups": 232,
    "ProtectHome": 214,
    "ProtectHostname": 242,
    "ProtectKernelLogs": 244,
    "ProtectKernelModules": 232,
    "ProtectKernelTunables": 232,
    "ProtectProc": 247,
    "ProtectSystem": 214,
    "ReadWritePaths": 231,
    "RemoveIPC": 232,
    "RestrictAddressFamilies": 211,
    "RestrictNamespaces": 233,
    "RestrictRealtime": 231,
    "RestrictSUIDSGID": 242,
    "SystemCallArchitectures": 209,
    "SystemCallErrorNumber": 209,
    "SystemCallFilter": 187,
    "TemporaryFileSystem": 238,
    "UMask": 183,
}
OLDEST = 249  # Ubuntu 22.04's


@pytest.fixture
def unit(tmp_path: Path) -> str:
    """The Emperors' unit on a host."""
    path = tmp_path / "uwsgi-emperor@.service"
    path.write_text(render("uwsgi_emperor", "uwsgi-emperor@.service.j2"))
    return str(path)


def test_the_sandbox_is_what_the_unit_says_for_this_app(unit: str) -> None:
    settings = box.sandbox("shop-2", unit)
    assert "ReadWritePaths=/var/www/shop-2/run /var/www/shop-2/shared /var/log/uwsgi/shop-2" in settings
    assert not any("%i" in setting or setting.startswith(("User", "ExecStart", "#")) for setting in settings)


def test_every_supported_system_knows_every_setting_of_the_sandbox(unit: str) -> None:
    """An unknown one would be left out without a word in the unit, and fail the units that are made at run time."""
    settings = {setting.partition("=")[0] for setting in box.sandbox("shop", unit)}
    assert settings == SINCE.keys()
    assert max(SINCE.values()) <= OLDEST


@pytest.mark.parametrize("text", [None, "[Service]\nUser=%i\n", f"[Service]\n{box.BEGIN}\nUMask=0027\n"])
def test_a_unit_without_the_sandbox_is_refused_with_the_remedy(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "unit"
    if text is not None:
        path.write_text(text)
    with pytest.raises(
        box.NoBox, match=r"does not state the apps' sandbox .* apply the role emperor.flask.uwsgi_emperor first"
    ):
        box.sandbox("shop", str(path))


def test_an_app_is_in_no_other_apps_slice() -> None:
    assert box.slice_of("shop") == "emperor-shop.slice"
    assert box.slice_of("shop-2") == "emperor-shop\\x2d2.slice"


def test_a_job_names_its_account_and_time_after_the_sandbox_and_hands_its_command_on(unit: str) -> None:
    job = jobs.build(Layout("shop"), {"timeouts": {"build": 7}}, "/", ["BindPaths=/a:/b"])
    arguments = job.arguments(["/bin/sh", "-ec", "echo $HOME $$ %n ${X}"], unit_file=unit)
    assert arguments[arguments.index("--") + 1 :] == ["/bin/sh", "-ec", "echo $$HOME $$$$ %n $${X}"]
    properties = [argument.partition("=")[2] for argument in arguments if argument.startswith("--property=")]
    for setting in ("User=_shop", "TimeoutStartSec=7", "BindPaths=/a:/b"):
        assert properties.index(setting) > properties.index("SystemCallErrorNumber=EPERM"), setting
    assert properties.index("RestrictAddressFamilies=~AF_UNIX") > properties.index(
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6"
    )
    assert "--unit=emperor-build-shop" in arguments


def test_a_release_that_was_made_before_there_were_limits_has_the_defaults_of_today() -> None:
    spec = options("flask_app", "app")
    assert box.timeout({}, "hook") == spec["timeouts"]["options"]["hook"]["default"]
    assert {kind: option["default"] for kind, option in spec["timeouts"]["options"].items()} == box.TIMEOUTS
    assert spec["limits"]["options"]["files"]["default"] == box.LIMITS["files"]
    assert spec["limits"]["options"]["log"]["default"] == f"{box.LIMITS['log'] // 2**30}G"


def test_what_a_host_gets_of_the_box_is_the_engines_own() -> None:
    """The role installs the file as a template; nothing in it may look like one."""
    path = ROOT / "plugins/module_utils/host/box.py"
    assert render("uwsgi_emperor", str(path)) == path.read_text()
