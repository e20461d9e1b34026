"""Which units run under an older unit file: by the invocation, as stand-ins for systemctl say it."""

import os

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import outdated
from mine import ME

UNIT = "uwsgi-emperor@shop.service"


@pytest.fixture
def invocations(monkeypatch, tmp_path):
    """The units that run, with their invocations."""
    units = {UNIT: "a1", "uwsgi-emperor@blog.service": "b1"}

    def systemctl(argv):
        if argv[1] == "list-units":
            return "".join(f"{unit} loaded active running uWSGI Emperor\n" for unit in units)
        return units.get(argv[-1], "") + "\n"

    monkeypatch.setattr(outdated, "run", systemctl)
    monkeypatch.setattr(outdated, "MARKS", str(tmp_path / "outdated"))
    monkeypatch.setattr(outdated, "Access", lambda mode: ME)
    return units


def test_what_runs_is_outdated_until_it_is_started_anew(invocations):
    assert not outdated.is_outdated(UNIT)
    outdated.mark("uwsgi-emperor@*.service")
    assert outdated.is_outdated(UNIT)
    invocations[UNIT] = "a2"
    assert not outdated.is_outdated(UNIT)
    assert outdated.is_outdated("uwsgi-emperor@blog.service")


def test_what_does_not_run_is_not_marked(invocations):
    invocations.clear()
    outdated.mark("uwsgi-emperor@*.service")
    assert os.listdir(outdated.MARKS) == []
    assert not outdated.is_outdated(UNIT)
