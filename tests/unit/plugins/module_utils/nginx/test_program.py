"""nginx's account reaches the sockets of both groups until every app has followed it."""

import grp
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.nginx import program
from test_transaction import ME


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Groups with their members, the group nginx.conf names, and the groups of the apps' folders."""
    state = SimpleNamespace(members={"www-data": [], "nginx": []}, group="www-data", folders=[])
    ids = {"www-data": 33, "nginx": 101}

    def gpasswd(argv):
        _, change, user, group = argv
        (state.members[group].append if change == "--add" else state.members[group].remove)(user)

    monkeypatch.setattr(program, "GUESTS", str(tmp_path / "guests.json"))
    monkeypatch.setattr(program, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    monkeypatch.setattr(program, "SPOOLS", ())
    monkeypatch.setattr(program, "run", gpasswd)
    monkeypatch.setattr(program.host_facts, "nginx_group", lambda: state.group)
    monkeypatch.setattr(
        program,
        "grp",
        SimpleNamespace(getgrnam=lambda name: grp.struct_group((name, "x", ids[name], state.members[name]))),
    )
    monkeypatch.setattr(program, "pwd", SimpleNamespace(getpwnam=lambda name: SimpleNamespace(pw_gid=ids[name])))
    monkeypatch.setattr(program, "glob", SimpleNamespace(glob=lambda pattern: list(state.folders)))
    monkeypatch.setattr(program, "os", SimpleNamespace(stat=lambda folder: SimpleNamespace(st_gid=ids[folder])))
    return state


def test_a_guest_goes_when_the_last_app_has_followed(machine):
    machine.folders = ["www-data", "www-data"]
    program.admit("nginx")
    assert machine.members == {"www-data": ["nginx"], "nginx": []}
    machine.group, machine.folders = "nginx", ["nginx", "www-data"]
    program.dismiss()
    assert machine.members["www-data"] == ["nginx"]
    machine.folders = ["nginx", "nginx"]
    program.dismiss()
    assert machine.members == {"www-data": [], "nginx": []}
    program.dismiss()


def test_a_host_that_moved_back_before_its_apps_had_followed_keeps_no_guest(machine):
    machine.folders = ["www-data"]
    program.admit("nginx")
    machine.group = "nginx"
    program.admit("www-data")
    machine.group = "www-data"
    program.dismiss()
    assert machine.members == {"www-data": [], "nginx": []}


def test_nobody_is_admitted_where_nothing_moves(machine):
    program.admit("www-data")
    assert machine.members == {"www-data": [], "nginx": []}
