"""What differs between the hosts of a fleet is a finding, with what to type."""

import re
import time
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import fleet_findings

ROOT = Path(__file__).resolve().parents[5]
DAY = 86400


def server(code="c0de", ahead=0):
    return {"apps": [{"app": "shop", "release": "1a", "code": code}], "ahead": ahead}


def balancer(days=60, digest="d1", takes=True):
    certificates = {"shop": {"ends": time.time() + days * DAY + DAY / 2, "digest": digest, "ordered": True}}
    return {"takes": {"web1": True, "web2": takes}, "certificates": certificates}


def test_nothing_is_said_of_hosts_that_are_alike_or_of_one_alone():
    assert fleet_findings.of_fleet({"web1": server()}, {}, None) == []
    both = {"lb1": balancer(), "lb2": balancer()}
    assert fleet_findings.of_fleet({"web1": server(), "web2": server(ahead=-60)}, both, "lb1") == []
    assert fleet_findings.of_fleet({"web1": server(), "web2": {"unreachable": True}}, {"lb1": {}}, "lb1") == []


DIFFERENT = [
    ("differs", {"web2": server("0ther")}, {}, "the servers serve different code: c0de on web1; 0ther on web2"),
    ("clock", {"web2": server(ahead=-61)}, {}, "the clock of web2 is 61 seconds behind the controller's"),
    ("balancer", {}, {"lb2": {"unreachable": True}}, "the balancer lb2 cannot be reached"),
    ("renewal", {}, {"lb1": {**balancer(), "failed_units": ["certbot.service"]}}, "certbot.service failed on lb1"),
    ("out", {}, {"lb1": balancer(takes=False)}, "lb1 sends no requests to web2"),
    ("certificate", {}, {"lb1": balancer(days=13)}, "its certificate on lb1 ends in 13 days"),
    ("certificates-differ", {}, {"lb2": balancer(digest="d2")}, "lb2 shows another certificate than lb1"),
]


@pytest.mark.parametrize(("code", "servers", "balancers", "meaning"), DIFFERENT, ids=[one[0] for one in DIFFERENT])
def test_what_differs_is_named(code, servers, balancers, meaning):
    (found,) = fleet_findings.of_fleet({"web1": server(), **servers}, {"lb1": balancer(), **balancers}, "lb1")
    assert (found["code"], found["meaning"]) == (code, meaning) and found["remedy"]


def test_a_balancer_whose_nginx_does_not_run_is_named():
    (found,) = fleet_findings.of_fleet({}, {"lb1": {**balancer(), "nginx": False, "ahead": 3}}, "lb1")
    assert (found["code"], found["meaning"]) == ("balancer", "nginx does not run on the balancer lb1")


def wrong(code, app="shop"):
    return {**server(), "findings": [{"app": app, "code": code}]}


@pytest.mark.parametrize(
    "status",
    [
        wrong("health"),
        wrong("vassal-down"),
        wrong("nginx-down", ""),
        {"apps": [], "findings": []},
        {"unreachable": True},
    ],
    ids=["ill", "down", "nginx", "without the app", "away"],
)
def test_a_server_that_does_not_answer_for_an_app_does_not_count(status):
    statuses = {
        "web1": {**server(), "findings": []},
        "web2": status,
        "web3": wrong("memory"),
        "web4": wrong("health", "bank"),
    }
    assert fleet_findings.answering("shop", statuses) == ["web1", "web3", "web4"]


def test_certificates_that_each_balancer_makes_itself_may_differ():
    both = {"lb1": balancer(), "lb2": balancer(digest="d2")}
    both["lb1"]["certificates"]["shop"]["ordered"] = False
    assert fleet_findings.of_fleet({}, both, "lb1") == []


def test_the_page_has_an_entry_for_each_code_and_for_no_other():
    page = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [one[0] for one in DIFFERENT]
