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
        app=app,
        identity="b" * 12,
        host="shop.test",
        scheme="https",
        stage=SimpleNamespace(code="c0de"),
        hook_key="key",
        why=lambda seen: "other secrets",
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
    seen = {"shop": {"release": "a" * 12, "activation": f"{'a' * 12}.1", "renamed_from": None}}
    for opens in (set(), {"shop"}):
        (app,) = plans.of_releases(1.0, [release(False)], seen, {}, opens)["apps"]
        assert app["opens"] is bool(opens)
    (back,) = plans.of_rollback(1.0, "shop", {})["apps"]
    assert back["opens"] is False and back.keys() == app.keys()


def test_the_diff_says_which_way():
    assert plans.closing_diff("shop", True) == {
        "before_header": "shop: maintenance",
        "after_header": "shop: maintenance",
        "before": "off\n",
        "after": "on\n",
    }
    assert plans.closing_diff("shop", False)["after"] == "off\n"


def test_the_outcome_names_all_that_changes_and_why():
    assert plans.told("web1", ["old"], {"shop": True, "blog": False}, {"shop": "store"}) == [
        "store on web1: becomes shop",
        "old on web1: taken away",
        "shop on web1: closed for maintenance",
        "blog on web1: opened",
    ]
    assert plans.told("web1", ["old"], {}, {"shop": "store"}, {"shop": "other secrets"}) == [
        "store on web1: would become shop",
        "old on web1: would be taken away",
        "shop on web1: would be released: other secrets",
    ]
    assert plans.told("web1", ["old"], {}, {}, {}) == ["old on web1: would be taken away"]


def test_the_same_release_that_is_started_anew_is_reported_with_the_reason():
    seen = {"shop": {"release": "b" * 12, "activation": f"{'b' * 12}.1", "renamed_from": None}}
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
        "reverted": True,
    }


def hosts(**failures):
    """The variables of a play on web1 and web2 in which steps failed for apps: {host: {step: {app: message}}}."""
    known = {host: {step: {"failures": found} for step, found in steps.items()} for host, steps in failures.items()}
    return {
        "inventory_hostname": "web1",
        "ansible_play_hosts_all": ["web2", "web1"],
        "hostvars": {host: known.get(host, {}) for host in ("web1", "web2")},
    }


def test_an_app_that_failed_on_one_host_goes_no_further_on_any_and_the_others_do():
    assert plans.failures(hosts()) == {}
    one = {"__flask_app_candidates": {"shop": "app 'shop': it does not answer"}}
    assert plans.failures(hosts(web1=one)) == {"shop": "app 'shop': it does not answer"}
    assert plans.failures(hosts(web2=one)) == {"shop": "on web2: app 'shop': it does not answer"}
    both = hosts(web1={"__flask_app_plan": {"shop": "here"}}, web2={**one, "__flask_app_switched": {"blog": "there"}})
    assert plans.failures(both) == {"shop": "here", "blog": "on web2: there"}


def test_a_step_fails_where_no_app_is_left():
    plan = {"apps": [{"name": "shop"}, {"name": "blog"}]}
    partly = {"failures": {"shop": "no disk"}}
    assert plans.judged(partly, plan, {}) == partly
    assert plans.judged({"failures": {}}, plan, {"shop": "", "blog": ""}) == {"failures": {}}
    for failures, before in (({"shop": "no disk", "blog": "no pip"}, {}), ({"blog": "no pip"}, {"shop": "no disk"})):
        judged = plans.judged({"failures": failures}, plan, before)
        assert (judged["failed"], judged["msg"], judged["failures"]) == (True, "\n".join(failures.values()), {})


def test_what_is_said_last_of_an_app_that_failed():
    assert plans.taken_back("app 'shop': pip failed:\n  ERROR: no such package\nmuch", None) == (
        "app 'shop': pip failed: ERROR: no such package\nIt was not switched: what this host served of it before, it serves on."
    )
    assert plans.taken_back("no disk", "no systemd").endswith("could not be taken away, so run again: no systemd")


@pytest.mark.parametrize(
    ("asked", "other", "done"),
    [
        (None, {}, set()),
        ({"skipped": True}, {}, set()),
        ({"results": [{"by_app": {"shop": {"hook_key": "key"}}}, {"unreachable": True}]}, {}, {"shop"}),
        ({"results": [{"by_app": {"shop": {"hook_key": "other"}}}]}, {}, set()),
        ({"results": [{"by_app": {"blog": {"hook_key": "key"}}}]}, {}, set()),
        ({"results": [{"by_app": {"shop": {"hook_key": None}}}]}, {}, set()),
        (None, {"releases": [{"app": "shop", "changed": False, "hook_key": "key"}]}, {"shop"}),
        (None, {"releases": [{"app": "shop", "changed": True, "hook_key": "key"}]}, set()),
        (None, {"releases": [{"app": "shop", "changed": False, "hook_key": "other"}]}, set()),
    ],
)
def test_hooks_that_another_server_has_run_for_the_same_are_not_run_again(asked, other, done):
    variables = {"ansible_play_hosts_all": ["web2"], "hostvars": {"web2": {"__flask_app_plan": other}}}
    variables |= {"__flask_app_hooked": asked} if asked else {}
    assert plans.hooked_before(variables, {"apps": [{"name": "shop", "hook_key": "key"}]}) == done


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["c1", "c1"], None),
        (["c1", None], None),  # it failed there
        (
            ["c1", "c2"],
            "app 'shop': the servers would go back to different code: web1 to c1, web2 to c2; name a release that all have",
        ),
    ],
)
def test_servers_that_would_go_back_to_different_code_go_back_nowhere(codes, said):
    hosts_ = {
        f"web{number}": {
            "__flask_app_plan": {"plan": {"apps": [{"name": "shop", "code": code, "activation": code and f"{code}.3"}]}}
        }
        for number, code in enumerate(codes, start=1)
    }
    found = plans.astray({"hostvars": hosts_, "ansible_play_hosts": list(hosts_)}, "shop")
    assert found == said or (found or "").startswith(said or "nothing")


ENDED = {"__flask_app_switched": {}, "__flask_app_finished": {"began": 7.5, "report": ["shop on web1"]}}


@pytest.mark.parametrize(
    ("known", "doubtful"),
    [
        ({}, []),
        ({"__flask_app_switched": {"unreachable": True}}, ["web1"]),
        ({"__flask_app_switched": {}, "__flask_app_reverted": {"failed": True, "reverted": True}}, []),
        ({"__flask_app_switched": {}, "__flask_app_reverted": {"failed": True, "reverted": False}}, ["web1"]),
        ({"__flask_app_switched": {}, "__flask_app_reverted": {"unreachable": True}}, ["web1"]),
        ({"__flask_app_canaries_switched": {}, "__flask_app_switched": {"skipped": True}}, ["web1"]),
        ({"__flask_app_canaries_switched": {"skipped": True}}, []),
        # Of an earlier batch of the play, and of an earlier play of the run.
        ({**ENDED, "__flask_app_plan": {"plan": {"began": 7.5, "apps": ["shop"]}}}, []),
        ({**ENDED, "__flask_app_plan": {"plan": {"began": 8.5, "apps": ["shop"]}}}, ["web1"]),
    ],
)
def test_a_server_that_was_told_to_switch_and_not_heard_of_is_doubtful(known, doubtful):
    assert plans.doubtful({"hostvars": {"web1": known}, "ansible_play_hosts_all": ["web1"]}) == doubtful


@pytest.mark.parametrize(
    ("plan", "finished", "level"),
    [
        ({}, {}, False),
        ({"level": True, "plan": {"apps": []}}, {}, True),
        ({"level": True, "plan": {"apps": []}}, {"skipped": True}, True),
        ({"level": False, "plan": {"apps": []}}, {}, False),
        ({"level": True, "failed": True}, {}, False),
        ({"level": True, "plan": {"apps": ["shop"]}}, {"report": ["shop on web1"], "failures": {}}, True),
        (
            {"level": True, "plan": {"apps": ["shop", "blog"]}},
            {"report": ["shop on web1"], "failures": {"blog": "no"}},
            False,
        ),
        ({"level": True, "plan": {"apps": ["shop"]}}, {"report": [], "failed": True}, False),
        ({"level": True, "plan": {"apps": ["shop"]}}, {"unreachable": True}, False),
        ({"level": True, "plan": {"apps": ["shop"]}}, {}, False),
    ],
)
def test_a_server_is_level_where_all_of_its_apps_were_released_to_the_end(plan, finished, level):
    known = {"__flask_app_plan": plan, "__flask_app_finished": finished}
    assert plans.is_level({"hostvars": {"web1": known}}, ["web1"], "web1") is level


@pytest.mark.parametrize(
    ("had", "level"),
    [
        ((None, None), True),
        (("aaaa", "aaaa"), True),
        (("aaaa", None), False),
        (("aaaa", "bbbb"), False),
        ((None,), False),
    ],
    ids=["a first release", "the same before", "one joins", "one was away", "one is not in the run"],
)
def test_an_app_that_failed_leaves_servers_level_that_had_the_same_of_it(had, level):
    finished = {"report": ["blog on web1"], "failures": {"shop": "no"}}
    hostvars = {"web1": {}, "web2": {}}
    for host, before in zip(hostvars, had):
        plan = {
            "level": True,
            "plan": {"apps": ["shop", "blog"]},
            "releases": [{"app": "shop", "before": before}, {"app": "blog", "before": "cccc"}],
        }
        hostvars[host] = {"__flask_app_plan": plan, "__flask_app_finished": finished}
    assert plans.is_level({"hostvars": hostvars}, ["web1", "web2"], "web1") is level
