"""What the steps of a release hand on: whose maintenance begins or ends, and when."""

from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.release import plans


def release(maintenance):
    """As much of a release as a plan looks at."""
    app = {
        "name": "shop",
        "maintenance": maintenance,
        "keep_releases": 5,
        "hooks": {"build": ["a"], "before_switch": []},
    }
    return SimpleNamespace(
        app=app, identity="b" * 12, host="shop.test", scheme="https", why=lambda seen: "other secrets"
    )


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


def test_the_outcome_names_all_that_changes_and_why():
    assert plans.told("web1", ["old"], {"shop": True, "blog": False}) == [
        "old on web1: taken away",
        "shop on web1: closed for maintenance",
        "blog on web1: opened",
    ]
    assert plans.told("web1", ["old"], {}, {"shop": "other secrets"}) == [
        "old on web1: would be taken away",
        "shop on web1: would be released, for other secrets",
    ]
    assert plans.told("web1", ["old"], {}, {}) == ["old on web1: would be taken away"]


def test_the_same_release_that_is_started_anew_is_reported_with_the_reason():
    seen = {"shop": {"release": "b" * 12, "activation": f"{'b' * 12}.1"}}
    plan = plans.of_releases(0, [release(None)], seen, {"shop": {"activation": f"{'b' * 12}.2"}})
    line = plans.report(plan["apps"][0], plan, "web1")
    assert line.startswith("shop on web1: bbbbbbbbbbbb anew, for other secrets, in ")


@pytest.mark.parametrize(
    ("failed", "last"),
    [
        (
            "app 'shop': it cannot start: ImportError\nThe end of the log:\nmuch",
            "app 'shop': it cannot start: ImportError",
        ),
        ("app 'shop': pip failed:\n  ERROR: no such package\nmuch", "app 'shop': pip failed: ERROR: no such package"),
        ("app 'shop': pip failed:", "app 'shop': pip failed:"),
        (None, "another host failed"),
    ],
)
def test_what_failed_is_told_whole_once_and_in_a_line_at_the_end(failed, last):
    variables = {"ansible_failed_result": {"msg": failed}} if failed else {}
    assert plans.reverted({"by_app": {}}, variables) == {
        "failed": True,
        "changed": False,
        "msg": f"{last}\nNothing was switched: what this host served before, it serves on.",
    }
