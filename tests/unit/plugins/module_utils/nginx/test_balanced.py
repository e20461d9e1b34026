"""The servers of a balancer: which take requests, and what keeps it that way."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import balanced
from mine import ME

TWO = {"web1": "10.0.0.1:80", "web2": "10.0.0.2:80"}
SHOP = {"shop": ["web1", "web2"]}


@pytest.fixture
def balancer(tmp_path, monkeypatch):
    """A host without nginx; returns what applies a transaction and tells which servers take requests."""
    folder = tmp_path / "emperor_servers"
    monkeypatch.setattr(balanced, "FOLDER", str(folder))
    monkeypatch.setattr(balanced, "path", lambda server, folder=str(folder): f"{folder}/{server}.conf")
    monkeypatch.setattr(balanced, "CHECK", [])
    monkeypatch.setattr(balanced, "SERVICE", None)
    known = balanced.states
    monkeypatch.setattr(balanced, "states", lambda: known(str(folder)))
    monkeypatch.setattr(balanced.Record, "load", lambda name, _load=Record.load: _load(name, str(tmp_path / "state")))
    monkeypatch.setattr(balanced, "Access", lambda mode: Access(mode, ME.owner, ME.group))

    def apply(transaction):
        transaction._apply()
        return balanced.states()

    return apply


def site(tmp_path):
    return [File(str(tmp_path / "balancer.conf"), b"site\n", ME)]


def test_a_new_server_takes_requests_only_when_it_is_level(tmp_path, balancer):
    assert balancer(balanced.configured(site(tmp_path), TWO, SHOP, ["web1"])) == {"web1": True, "web2": False}
    # What another run has brought level stays, and a run without servers changes nothing.
    assert not balanced.configured(site(tmp_path), TWO, SHOP, []).changed
    assert balancer(balanced.configured(site(tmp_path), TWO, SHOP, ["web2"])) == {"web1": True, "web2": True}
    assert (
        (tmp_path / "emperor_servers/web2.conf")
        .read_text()
        .endswith("server 10.0.0.2:80 max_fails=1 fail_timeout=5s;\n")
    )


def test_an_app_without_a_server_is_refused_and_nothing_is_written(tmp_path, balancer):
    with pytest.raises(Refusal, match=r"app 'shop': none of its servers \(web1, web2\) takes requests yet"):
        balanced.configured(site(tmp_path), TWO, SHOP, [])
    assert not (tmp_path / "emperor_servers").exists()


def test_an_app_that_is_balanced_already_may_lose_its_last_server(tmp_path, balancer):
    with_site = [File(str(tmp_path / "balancer.conf"), b"upstream emperor_shop {\n", ME)]
    balancer(balanced.configured(with_site, TWO, SHOP, TWO))
    balancer(balanced.exchanged(["web1", "web2"], False))
    assert not balanced.configured(with_site, TWO, SHOP, []).changed


def test_what_is_taken_out_stays_out_until_it_is_level_or_taken_back(tmp_path, balancer):
    balancer(balanced.configured(site(tmp_path), TWO, SHOP, TWO))
    assert balancer(balanced.exchanged(["web1"], False)) == {"web1": False, "web2": True}
    assert (tmp_path / "emperor_servers/web1.conf").read_text().endswith("server 10.0.0.1:80 down;\n")
    assert not balanced.exchanged(["web1"], False).changed
    assert balancer(balanced.configured(site(tmp_path), TWO, SHOP, ["web2"])) == {"web1": False, "web2": True}
    assert balancer(balanced.exchanged(["web1"], True)) == {"web1": True, "web2": True}
    assert (tmp_path / "balancer.conf").read_text() == "site\n"


def test_not_more_are_taken_out_than_may_be(tmp_path, balancer):
    balancer(balanced.configured(site(tmp_path), TWO, SHOP, TWO))
    with pytest.raises(Refusal, match="web1 cannot be taken out: web2 would be left, but fleet_min_healthy is 2"):
        balanced.exchanged(["web1"], False, 2)
    balancer(balanced.exchanged(["web1"], False, 1))
    with pytest.raises(Refusal, match="web2 cannot be taken out: nobody would be left"):
        balanced.exchanged(["web2"], False, 1)
    assert not balanced.exchanged(["web1"], False, 1).changed  # it is out already


def test_only_servers_that_answer_for_each_app_count_where_that_was_asked(tmp_path, balancer):
    balancer(balanced.configured(site(tmp_path), TWO, {**SHOP, "bank": ["web1", "web2"]}, TWO))
    with pytest.raises(
        Refusal, match="web1 cannot be taken out: nobody would be left for app 'bank', but fleet_min_healthy is 1"
    ):
        balanced.exchanged(["web1"], False, 1, {"shop": ["web2"], "bank": []})
    assert balanced.states() == {"web1": True, "web2": True}
    balancer(balanced.exchanged(["web1"], False, 1, {"shop": ["web2"], "bank": ["web2"]}))
    assert not balanced.exchanged(["web1"], False, 1, {"shop": []}).changed  # it is out already


def test_a_server_that_a_balancer_does_not_know_is_passed_over(balancer):
    assert balancer(balanced.exchanged(["web1"], False, 1)) == {}


def test_a_server_that_leaves_leaves_nothing(tmp_path, balancer):
    balancer(balanced.configured(site(tmp_path), TWO, SHOP, TWO))
    one = {"web1": TWO["web1"]}
    assert balancer(balanced.configured(site(tmp_path), one, {"shop": ["web1"]}, [])) == {"web1": True}
    assert not (tmp_path / "emperor_servers/web2.conf").exists()
