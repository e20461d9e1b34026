"""nginx's account reaches the sockets of both groups until every app has followed it."""

import grp
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.nginx import group_change
from mine import ME


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Groups with their members, the group nginx.conf names, and the groups of the apps' folders."""
    state = SimpleNamespace(members={"www-data": [], "nginx": []}, group="www-data", folders=[])
    ids = {"www-data": 33, "nginx": 101}

    def gpasswd(argv):
        _, change, user, group = argv
        (state.members[group].append if change == "--add" else state.members[group].remove)(user)

    monkeypatch.setattr(group_change, "MEMBERSHIPS", str(tmp_path / "memberships.json"))
    monkeypatch.setattr(group_change, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    monkeypatch.setattr(group_change, "SPOOLS", ())
    monkeypatch.setattr(group_change, "run", gpasswd)
    monkeypatch.setattr(group_change.host_facts, "nginx_group", lambda: state.group)
    monkeypatch.setattr(
        group_change,
        "grp",
        SimpleNamespace(getgrnam=lambda name: grp.struct_group((name, "x", ids[name], state.members[name]))),
    )
    monkeypatch.setattr(group_change, "pwd", SimpleNamespace(getpwnam=lambda name: SimpleNamespace(pw_gid=ids[name])))
    monkeypatch.setattr(group_change, "glob", SimpleNamespace(glob=lambda pattern: list(state.folders)))
    monkeypatch.setattr(group_change, "os", SimpleNamespace(stat=lambda folder: SimpleNamespace(st_gid=ids[folder])))
    return state


def test_the_old_group_is_left_when_the_last_app_has_followed(machine):
    machine.folders = ["www-data", "www-data"]
    group_change.join_old_group("nginx")
    assert machine.members == {"www-data": ["nginx"], "nginx": []}
    machine.group, machine.folders = "nginx", ["nginx", "www-data"]
    group_change.leave_old_groups()
    assert machine.members["www-data"] == ["nginx"]
    machine.folders = ["nginx", "nginx"]
    group_change.leave_old_groups()
    assert machine.members == {"www-data": [], "nginx": []}
    group_change.leave_old_groups()


def test_a_host_that_moved_back_before_its_apps_had_followed_is_in_no_old_group(machine):
    machine.folders = ["www-data"]
    group_change.join_old_group("nginx")
    machine.group = "nginx"
    group_change.join_old_group("www-data")
    machine.group = "www-data"
    group_change.leave_old_groups()
    assert machine.members == {"www-data": [], "nginx": []}


def test_no_group_is_joined_where_nothing_moves(machine):
    group_change.join_old_group("www-data")
    assert machine.members == {"www-data": [], "nginx": []}
