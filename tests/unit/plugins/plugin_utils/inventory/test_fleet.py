"""The machines of an inventory: what is said about them, and what balancers know of the servers' apps."""

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import fleet, known_host
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.fleet import Fleet

SHOP = {"name": "shop", "server_names": ["shop.test"], "secrets": {"KEY": "secret"}}


def variables(host="lb1", servers=None, balancers=None, **more):
    """The variables of a host of a fleet; servers and balancers are variables by name."""
    servers = (
        {"web1": {"ansible_host": "10.0.0.1"}, "web2": {"ansible_host": "10.0.0.2"}} if servers is None else servers
    )
    balancers = {"lb1": {"ansible_host": "10.0.0.9"}} if balancers is None else balancers
    groups = {"flask_servers": list(servers), "load_balancers": list(balancers)}
    return {"inventory_hostname": host, "groups": groups, "hostvars": {**servers, **balancers}, **more}


def test_without_balancers_nothing_is_said_of_addresses():
    alone = Fleet(variables("web1", {"web1": {}}, {}))
    assert list(fleet.mistakes(alone)) == []
    assert not alone.balances and not alone.is_behind_balancers and alone.of_balancers() == []


def test_a_right_fleet_knows_where_everybody_is():
    servers = {
        "web1": {"ansible_host": "203.0.113.1", "fleet_address": "10.0.0.1"},
        "web2": {"ansible_host": "fd00::2"},
    }
    known = Fleet(variables(servers=servers, balancers={"lb1": {"fleet_address": "10.0.0.9"}}))
    assert list(fleet.mistakes(known)) == []
    assert known.balances and not known.is_behind_balancers
    assert known.upstreams() == {"web1": "10.0.0.1:80", "web2": "[fd00::2]:80"}
    assert Fleet(variables("web1")).is_behind_balancers
    assert Fleet(variables("web1")).of_balancers() == ["10.0.0.9"]


def test_the_first_balancer_orders_certificates_for_all():
    two = {"lb1": {"ansible_host": "10.0.0.8"}, "lb2": {"ansible_host": "10.0.0.9"}}
    assert Fleet(variables("lb1", balancers=two)).orders_at() == ""
    assert Fleet(variables("lb2", balancers=two)).orders_at() == "10.0.0.8"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"servers": {}}, "flask_servers has none, so there is nothing to balance"),
        (
            {"balancers": {"web1": {"ansible_host": "10.0.0.1"}}},
            "host 'web1' is in flask_servers and in load_balancers",
        ),
        (
            {"servers": {"web1": {"ansible_host": "127.0.0.1"}}},
            "host 'web1': its address is 127.0.0.1, which means each host itself; set fleet_address",
        ),
        (
            {"servers": {"web1": {"ansible_host": "nowhere.invalid"}}},
            "host 'web1': its address cannot be looked up from here; set fleet_address",
        ),
        ({"servers": {"web1": {"ansible_host": "10.0.0.9"}}}, "hosts 'web1' and 'lb1' have the address 10.0.0.9"),
        (
            {"servers": {"web1": {"fleet_address": "10.0.0.1"}}},
            "host 'lb1' has no fleet_address, but others of the fleet have one",
        ),
        ({"servers": {"a/b": {"ansible_host": "10.0.0.1"}}}, "host 'a/b': its name cannot be a file's"),
    ],
)
def test_a_mistake_is_named_with_its_remedy(changed, said):
    (mistake,) = fleet.mistakes(Fleet(variables(**changed)))
    assert said in mistake


@pytest.mark.parametrize(
    "known",
    [[], ["lb1", "10.0.0.9"], ["old", "lb1", "10.0.0.8", "10.0.0.9"], ["lb1", "203.0.113.9"], ["lb", "10.0.0.9"]],
    ids=["new", "ours", "one was exchanged", "another address", "another name"],
)
def test_a_server_of_this_fleet_or_of_none_is_taken(known):
    assert list(fleet.of_another(Fleet(variables("web1")), {"balancers": known})) == []
    assert list(fleet.of_another(Fleet(variables("web1", balancers={})), {"balancers": ["lb9", "10.0.0.8"]})) == []


def test_a_server_of_another_fleet_is_refused_with_the_way_to_move_it():
    (said,) = fleet.of_another(Fleet(variables("web1")), {"balancers": ["lb7", "10.0.0.7"]})
    assert said.startswith("host 'web1' serves behind the balancers lb7, 10.0.0.7, and not behind lb1, 10.0.0.9:")
    assert "sed -i '/# Balancers of the fleet/d' /etc/nginx/nginx.conf" in said


def test_a_balancer_has_the_apps_of_all_servers_and_none_of_their_secrets():
    servers = {
        "web1": {"flask_apps": [SHOP, {"name": "blog", "server_names": ["blog.test"]}]},
        "web2": {
            "flask_apps": [{**SHOP, "env": {"X": "other"}}, {"name": "blog", "state": "absent"}],
            "flask_app_defaults": {},
        },
    }
    entries, where, mistakes = Fleet(variables(servers=servers)).apps()
    assert (where, mistakes) == ({"shop": ["web1", "web2"], "blog": ["web1"]}, [])
    assert [entry["name"] for entry in entries] == ["shop", "blog"]
    assert all(entry["secrets"] == {} for entry in entries)


def test_what_a_balancer_states_is_one_for_all_servers():
    servers = {"web1": {"flask_apps": [SHOP]}, "web2": {"flask_apps": [SHOP], "flask_app_defaults": {"harakiri": 5}}}
    (mistake,) = Fleet(variables(servers=servers)).apps()[2]
    assert (
        mistake
        == "app 'shop': harakiri on web2 is another than on web1, but the balancers state one for all; make them equal"
    )


@pytest.mark.parametrize(
    ("least", "left", "said"),
    [
        (None, ["web1", "web2", "lb1"], None),
        (
            None,
            ["web1", "lb1"],
            "all servers have to take part; mend that, take it out of the inventory",
        ),
        (None, ["web1", "lb1"], "or go on without it, and let the balancers leave it out: -e fleet_min_healthy=1"),
        (1, ["web1", "lb1"], None),
        (2, ["web1", "web2"], None),
        (2, ["web1"], "web2 cannot be reached or has failed, and fleet_min_healthy is 2"),
        (1, ["lb1"], "web1, web2 cannot be reached or has failed, and fleet_min_healthy is 1"),
    ],
)
def test_a_run_without_enough_servers_is_refused(least, left, said):
    known = variables(ansible_play_hosts_all=["web1", "web2", "lb1"], ansible_play_hosts=left)
    mistakes = list(fleet.too_few(known, least))
    assert len(mistakes) == (said is not None)
    assert said is None or said in mistakes[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, None), ({"flask_app_canary": -1}, "is -1"), ({"flask_app_canary_seconds": 301}, "write 1 to 300")],
)
def test_canaries_are_watched_for_as_long_as_the_others_can_wait(given, said):
    mistakes = list(fleet.canary_mistakes(given))
    assert len(mistakes) == (said is not None) and (said is None or said in mistakes[0])


@pytest.mark.parametrize(("ahead", "said"), [(120, None), (121, "the clocks of web1 and web2 are 121 seconds apart")])
def test_clocks_are_held_against_each_other_and_not_against_the_controllers(ahead, said):
    facts = {
        host: {"ansible_facts": known_host.learnt({"ahead": seconds})}
        for host, seconds in (("web1", 500), ("web2", 500 + ahead))
    }
    known = {"hostvars": {**facts, "web3": {}}, "ansible_play_hosts_all": ["web1", "web2", "web3"]}
    mistakes = list(fleet.apart(known))
    assert len(mistakes) == (said is not None) and (said is None or said in mistakes[0])


def test_a_number_that_is_none_is_said_once(tmp_path):
    known = variables(ansible_play_hosts_all=["web1", "web2"], ansible_play_hosts=["web1"])
    assert list(fleet.too_few(known, "some")) == []
    assert "fleet_min_healthy is 0; write" in next(fleet.least_mistakes({"fleet_min_healthy": 0}))
    assert list(fleet.least_mistakes({"fleet_min_healthy": 1})) == []


def test_what_one_host_has_found_for_all_is_known_to_the_others():
    found = {"web1": {fleet.INPUT: {"failed": True, fleet.CONCERNS_ALL: ["host 'lb2': no address"]}}, "web2": {}}
    known = {"hostvars": found, "ansible_play_hosts_all": ["web1", "web2"]}
    assert list(fleet.concerning_all(known)) == ["host 'lb2': no address"]
