"""A set stands only while all that a run would look at is as it was left."""

import json
import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import standing as module
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.systemd import State
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import Record
from mine import ME

READY, STOPPED = State("active", "enabled", ""), State("inactive", "enabled", "")


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """Records are ours; the services are in the state that a test says."""
    states = {"nginx.service": READY}
    monkeypatch.setattr(module, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    monkeypatch.setattr(module.systemd, "states", lambda units: {unit: states[unit] for unit in units})
    return states


@pytest.fixture
def request_(tmp_path):
    """A set of a folder, a file, one that must not be there, a check and a service; applied and noted."""
    folder, file, check = tmp_path / "etc", tmp_path / "etc/nginx.conf", tmp_path / "check"
    folder.mkdir()
    file.write_text("user web;\n")
    check.write_text("#!/bin/sh\nexit 0\n")
    check.chmod(0o755)
    request = {
        "set": "nginx",
        "directories": [{"path": str(folder)}],
        "files": [{"path": str(file), "content": "user web;\n"}],
        "absent": [str(tmp_path / "default.conf")],
        "check": [str(check)],
        "service": "nginx.service",
    }
    module.note(request, module.digest(request), str(tmp_path / "state"))
    return request


def stands(tmp_path, request):
    return module.standing(str(tmp_path / "state")) == {"nginx": module.digest(request)}


def test_what_was_applied_stands_and_another_request_does_not(tmp_path, request_):
    assert stands(tmp_path, request_)
    assert not stands(tmp_path, {**request_, "absent": []})
    assert module.standing(str(tmp_path / "nowhere")) == {}


CHANGES = {
    "other contents": lambda root: (root / "etc/nginx.conf").write_text("user www;\n"),
    "another mode": lambda root: (root / "etc/nginx.conf").chmod(0o666),
    "a file that is gone": lambda root: (root / "etc/nginx.conf").unlink(),
    "a link to the same": lambda root: ((root / "etc/nginx.conf").rename(root / "x"), os.symlink(root / "x", root / "etc/nginx.conf")),
    "a folder's mode": lambda root: (root / "etc").chmod(0o777),
    "what must not be there": lambda root: (root / "default.conf").write_text(""),
    "a check that refuses": lambda root: (root / "check").write_text("#!/bin/sh\nexit 1\n"),
    "a check that warns": lambda root: (root / "check").write_text("#!/bin/sh\necho 'nginx: [warn] conflicting server name'\n"),
    "a reload that is owed": lambda root: Path(root / "state/nginx.json").write_text(json.dumps({"owned": [], "pending": True})),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_set_of_which_anything_is_otherwise_does_not_stand(tmp_path, request_, change):
    change(tmp_path)
    assert module.standing(str(tmp_path / "state")) == {}


def test_a_set_whose_service_does_not_run_does_not_stand(tmp_path, request_, host):
    host["nginx.service"] = STOPPED
    assert module.standing(str(tmp_path / "state")) == {}


def test_a_note_is_written_once_and_goes_with_an_empty_digest(tmp_path, request_):
    (noted,) = (tmp_path / "state/applied").iterdir()
    before = noted.stat().st_ino
    module.note(request_, module.digest(request_), str(tmp_path / "state"))
    assert noted.stat().st_ino == before
    module.note(request_, "", str(tmp_path / "state"))
    assert not list((tmp_path / "state/applied").iterdir())
    assert Record.load("nginx", str(tmp_path / "state")).owned == []


@pytest.mark.parametrize("more", [{"aside": ["/etc/apt/sources.list"]}, {"files": [{"path": "/x", "sensitive": True}]}])
def test_secrets_and_what_is_put_aside_are_never_noted(request_, more):
    assert module.digest({**request_, **more}) == ""
