"""What the inventory says: which of its apps are wanted, and with which version."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory, without_secrets

APP = {"module": "shop:app", "secrets": {"KEY": "s3cret"}}
SHOP = {**APP, "name": "shop", "source": {"package": "shop==1.2"}, "server_names": ["shop.test"]}
ELSEWHERE = {**APP, "name": "blog", "source": {"git": "http://127.0.0.1:1/blog.git"}, "server_names": ["blog.test"]}


def inventory(*entries, **wanted):
    """An inventory with these apps."""
    variables = {"flask_apps": list(entries), "inventory_dir": str(Path("/inventory"))}
    variables.update({f"flask_app_{name}": value for name, value in wanted.items()})
    loader = DataLoader()
    action = SimpleNamespace(_templar=Templar(loader=loader, variables=variables), _loader=loader)
    return Inventory(action, variables)


def apps(*entries, **wanted):
    """Names and sources of the apps that are wanted, and what is wrong."""
    found, mistakes = inventory(*entries, **wanted).apps()
    return {app["name"]: app["source"]["package"] for app in found}, mistakes


def test_all_apps_are_wanted_unless_one_is_named():
    blog = {**ELSEWHERE, "source": {"package": "blog==1"}}
    assert apps(SHOP, blog) == ({"shop": "shop==1.2", "blog": "blog==1"}, [])
    assert apps(SHOP, blog, only="blog") == ({"blog": "blog==1"}, [])


def test_nothing_is_fetched_for_an_app_that_is_not_wanted():
    assert apps(SHOP, ELSEWHERE, only="shop", version="1.3") == ({"shop": "shop==1.3"}, [])
    assert "app 'blog': source.git: git fetch of http://127.0.0.1:1/blog.git failed" in apps(SHOP, ELSEWHERE)[1][0]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"only": "shpo"}, "app 'shpo' is not in flask_apps: did you mean 'shop'? The apps here are shop, blog"),
        ({"version": "1.3"}, "version '1.3' was asked for, but not of which app; name it with -e app=NAME"),
    ],
)
def test_what_cannot_be_wanted_is_refused(wanted, words):
    blog = {**ELSEWHERE, "source": {"package": "blog==1"}}
    assert apps(SHOP, blog, **wanted) == ({}, [words])


def test_one_app_needs_no_name():
    assert apps(SHOP, version="1.3") == ({"shop": "shop==1.3"}, [])


def test_nginx_serves_tls_where_any_app_does_wanted_or_not():
    over_tls = {**ELSEWHERE, "tls": {"mode": "self_signed"}}
    assert not inventory(SHOP, ELSEWHERE).serves_tls()
    assert inventory(SHOP, over_tls, only="shop").serves_tls()
    assert inventory(SHOP, defaults={"tls": {"mode": "acme"}}).serves_tls()
    assert not inventory({**SHOP, "tls": {"mode": "none"}}, defaults={"tls": {"mode": "acme"}}).serves_tls()
    assert not inventory(SHOP, {**over_tls, "state": "absent"}).serves_tls()


def test_memory_is_promised_by_what_the_inventory_states_and_not_by_the_default():
    limited = {**ELSEWHERE, "limits": {"memory": "1G", "cpu": "50%"}}
    assert inventory(SHOP, limited, only="shop").promised_memory() == {"blog": "1G"}
    assert inventory(SHOP, limited, defaults={"limits": {"memory": "50%"}}).promised_memory() == {
        "shop": "50%",
        "blog": "1G",
    }
    for promised in (
        {**limited, "state": "absent"},
        {**limited, "limits": None},
        {**limited, "limits": {"memory": None}},
    ):
        assert inventory(SHOP, promised).promised_memory() == {}


def test_neither_secrets_nor_passwords_are_shown():
    app = {**SHOP, "source": {"git": "https://me:s3cret@x.test/shop.git", "path": None}}
    assert "s3cret" not in str(without_secrets(app))
