"""An app that is to be absent goes completely; one whose name begins the same does not notice."""

from plays import HOSTS, nothing_lost, on

FIND = "find / -xdev -name '*shop-2*' -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/journal/*'; getent passwd shop-2; true"


def test_an_absent_app_leaves_nothing_and_its_neighbour_alone(shop):
    second = {**shop.entry, "name": "shop-2", "server_names": ["shop-2.test"]}
    own = shop.entry
    shop.entry = second
    shop.deploy()
    assert [on(host, "curl -s -H 'Host: shop-2.test' localhost") for host in HOSTS] == ["shop 1"] * len(HOSTS)
    shop.entry = {"name": "shop-2", "state": "absent", "keep_shared": False}
    with nothing_lost():
        assert set(shop.deploy().changed) == {1}
    assert [on(host, FIND) for host in HOSTS] == [""] * len(HOSTS)
    assert set(shop.deploy().changed) == {0}
    shop.entry = own
    assert set(shop.deploy().changed) == {0}
