"""nginx's account reaches the sockets of both groups until every app has followed it."""

import grp
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import nginx
from ansible_collections.emperor.flask.plugins.module_utils.files import Access
from test_transaction import ME


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Groups with their members, the group nginx.conf names, and the groups of the apps' folders."""
    state = SimpleNamespace(members={"www-data": [], "nginx": []}, group="www-data", folders=[])
    ids = {"www-data": 33, "nginx": 101}

    def gpasswd(argv):
        _, change, user, group = argv
        (state.members[group].append if change == "--add" else state.members[group].remove)(user)

    monkeypatch.setattr(nginx, "GUESTS", str(tmp_path / "guests.json"))
    monkeypatch.setattr(nginx, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    monkeypatch.setattr(nginx, "SPOOLS", ())
    monkeypatch.setattr(nginx, "run", gpasswd)
    monkeypatch.setattr(nginx.host, "nginx_group", lambda: state.group)
    monkeypatch.setattr(
        nginx,
        "grp",
        SimpleNamespace(getgrnam=lambda name: grp.struct_group((name, "x", ids[name], state.members[name]))),
    )
    monkeypatch.setattr(nginx, "pwd", SimpleNamespace(getpwnam=lambda name: SimpleNamespace(pw_gid=ids[name])))
    monkeypatch.setattr(nginx, "glob", SimpleNamespace(glob=lambda pattern: list(state.folders)))
    monkeypatch.setattr(nginx, "os", SimpleNamespace(stat=lambda folder: SimpleNamespace(st_gid=ids[folder])))
    return state


def test_a_guest_goes_when_the_last_app_has_followed(machine):
    machine.folders = ["www-data", "www-data"]
    nginx.admit("nginx")
    assert machine.members == {"www-data": ["nginx"], "nginx": []}
    machine.group, machine.folders = "nginx", ["nginx", "www-data"]
    nginx.dismiss()
    assert machine.members["www-data"] == ["nginx"]
    machine.folders = ["nginx", "nginx"]
    nginx.dismiss()
    assert machine.members == {"www-data": [], "nginx": []}
    nginx.dismiss()


def test_a_host_that_moved_back_before_its_apps_had_followed_keeps_no_guest(machine):
    machine.folders = ["www-data"]
    nginx.admit("nginx")
    machine.group = "nginx"
    nginx.admit("www-data")
    machine.group = "www-data"
    nginx.dismiss()
    assert machine.members == {"www-data": [], "nginx": []}


def test_nobody_is_admitted_where_nothing_moves(machine):
    nginx.admit("www-data")
    assert machine.members == {"www-data": [], "nginx": []}
