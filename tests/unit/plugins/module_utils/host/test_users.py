"""Numbers of accounts are given once, and the processes of an account are found whatever they call themselves."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import users
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The commands that make accounts, on a host whose record is this test's."""
    commands = []
    monkeypatch.setattr(users, "run", lambda argv: commands.append(argv))
    monkeypatch.setattr(users, "RECORD", str(tmp_path / "state/uids"))
    return commands


def test_a_number_that_was_given_once_is_not_given_again(made):
    users.make("shop", "/var/www/shop", "Flask app shop")
    users.make("blog", "/var/www/blog", "Flask app blog")
    numbers = [argv[argv.index("--gid") + 1] for argv in made if argv[0] == "groupadd"]
    assert len(set(numbers)) == 2
    lines = Path(users.RECORD).read_text().splitlines()
    assert lines == [f"{numbers[0]} shop", f"{numbers[1]} blog"]


def test_where_all_numbers_were_given_it_is_said_what_to_do(made, monkeypatch):
    monkeypatch.setattr(users, "NUMBERS", range(999, 998, -1))
    users.remember("old", "999")
    with pytest.raises(Refusal, match="every number of a system account was given to an app once"):
        users.make("shop", "/var/www/shop", "Flask app shop")


def test_an_account_of_the_hosts_own_is_not_taken(made):
    with pytest.raises(Refusal, match="the account 'root' is not ours: its home is /root"):
        users.make("root", "/var/www/root", "Flask app root")
    assert users.number_of("root", "/var/www/root") is None
    assert made == []


def test_every_process_of_a_number_is_found():
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert {child.pid, os.getpid()} <= set(users.processes({os.getuid()}))
        assert child.pid not in set(users.processes({54321}))
    finally:
        child.kill()
        child.wait()


def test_a_process_that_has_ended_is_none():
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert child.pid not in set(users.processes({os.getuid()}))
    child.wait()


def test_an_account_of_the_hosts_own_is_not_taken_away(made):
    users.unmake("root", "/var/www/root")
    assert made == []


def test_a_group_that_a_run_left_when_it_died_is_ours_until_the_account_is_made(made, monkeypatch):
    monkeypatch.setattr(users.grp, "getgrnam", lambda _name: users.grp.struct_group(("shop", "x", 901, [])))
    monkeypatch.setattr(
        users.grp, "getgrall", lambda: [users.grp.struct_group((name, "x", 901, [])) for name in ("shop", "sudo")]
    )
    users.remember("shop", "901")
    assert users.groups() == ["sudo"]
    users.make("shop", "/var/www/shop", "Flask app shop")
    assert [argv[0] for argv in made] == ["useradd"]
    assert made[0][made[0].index("--uid") + 1] == "901"
    made.clear()
    users.unmake("shop", "/var/www/shop")
    assert made == [["groupdel", "shop"]]
