"""Which servers answer for the apps of one that is to be taken out, by what each has said of itself."""

import pytest
from ansible_collections.emperor.flask.plugins.action.load_balancer import ActionModule

SHOP, BANK = {"name": "shop"}, {"name": "bank"}
APPS = {"web1": [SHOP, BANK], "web2": [SHOP], "web3": [SHOP, {**BANK, "state": "absent"}]}


def says(server, *apps, **more):
    """What a server says of itself."""
    return {"item": server, "apps": [{"app": app} for app in apps], "findings": [], **more}


@pytest.mark.parametrize(
    ("servers", "answering"),
    [
        (["web1"], {"shop": ["web2"], "bank": None}),
        (["web2"], {"shop": ["web1"]}),
        (["web2", "web1"], {"shop": [], "bank": None}),
    ],
)
def test_the_others_count_app_by_app_and_an_app_of_one_server_alone_is_told_apart(servers, answering):
    action = object.__new__(ActionModule)
    action._vars = {
        "inventory_hostname": "web1",
        "groups": {"flask_servers": list(APPS), "load_balancers": ["lb1"]},
        "hostvars": {server: {"flask_apps": stated} for server, stated in APPS.items()},
    }
    ill = {"findings": [{"app": "shop", "code": "health"}]}
    said = [says("web1", "shop", "bank"), says("web2", "shop"), says("web3", "shop", **ill)]
    assert action._answering(servers, [one for one in said if one["item"] not in servers]) == answering
