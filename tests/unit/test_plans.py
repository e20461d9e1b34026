"""What the steps of a release hand on: whose maintenance begins or ends, and when."""

from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils import plans


def release(maintenance):
    """As much of a release as a plan looks at."""
    app = {
        "name": "shop",
        "maintenance": maintenance,
        "keep_releases": 5,
        "hooks": {"build": ["a"], "before_switch": []},
    }
    return SimpleNamespace(app=app, identity="b" * 12, host="shop.test", scheme="https")


@pytest.mark.parametrize(
    ("wanted", "closed", "expected"),
    [
        (None, True, {}),
        (None, False, {}),
        (True, False, {"shop": True}),
        (True, True, {}),
        (False, True, {"shop": False}),
        (False, False, {}),
    ],
)
def test_only_what_the_inventory_says_is_closed_or_opened(wanted, closed, expected):
    assert plans.closing([release(wanted)], {"shop": {"closed": closed}}) == expected


def test_a_plan_says_which_maintenance_ends_with_the_release():
    seen = {"shop": {"release": "a" * 12, "activation": f"{'a' * 12}.1"}}
    for opens in (set(), {"shop"}):
        (app,) = plans.of_releases(1.0, [release(False)], seen, {}, opens)["apps"]
        assert plans.item(app)["opens"] is bool(opens)
    (app,) = plans.of_rollback(1.0, "shop", {})["apps"]
    assert plans.item(app)["opens"] is False


def test_the_diff_says_which_way():
    assert plans.closing_diff("shop", True) == {
        "before_header": "shop: maintenance",
        "after_header": "shop: maintenance",
        "before": "off\n",
        "after": "on\n",
    }
    assert plans.closing_diff("shop", False)["after"] == "off\n"
