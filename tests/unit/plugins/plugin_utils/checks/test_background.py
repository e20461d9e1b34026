"""Bad workers and timers are refused on the controller, by name and with the remedy."""

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import background
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps

ROOT = Path(__file__).resolve().parents[5]
WORKER = {"name": "mail", "command": "celery worker"}
TIMER = {"name": "digest", "command": "flask digest", "schedule": "*-*-* 06:00"}


def mistakes(**entry):
    app = {"name": "shop", "module": "hello:app", "source": {"path": str(ROOT / "examples/demoapp")}, **entry}
    return apps.prepare(app, ROOT, None, True)[1]


def test_right_ones_get_their_defaults():
    prepared, found = apps.prepare(
        {"name": "a", "module": "hello:app", "source": {"path": str(ROOT / "examples/demoapp")}, "workers": [WORKER], "timers": [TIMER]},
        ROOT, None, True,
    )  # fmt: skip
    assert found == []
    assert prepared["workers"][0] | WORKER == {
        **WORKER, "processes": 1, "stop_signal": "TERM", "stop_timeout": 60, "check": 5, "check_command": "", "overlap": True,
    }  # fmt: skip
    assert prepared["timers"][0] | TIMER == {**TIMER, "overlap": "skip", "timeout": 3600, "jitter": 0}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"workers": [{"name": "mail"}]}, "missing required arguments: command found in workers"),
        ({"workers": [{**WORKER, "command": " "}]}, "workers 'mail': its command is empty; write the program that it runs"),
        ({"workers": [{**WORKER, "command": "a\nb"}]}, "workers 'mail': its command has more than one line"),
        ({"workers": [WORKER, WORKER]}, "workers has 'mail' 2 times; give each a name of its own"),
        ({"workers": [{**WORKER, "name": "Mail"}]}, "workers 'Mail': its name must be a small letter followed by"),
        ({"workers": [{**WORKER, "proceses": 2}]}, "unknown key 'workers.proceses': did you mean 'processes'?"),
        ({"workers": [{**WORKER, "processes": 0}]}, "workers 'mail': processes is 0; it must be a number from 1 to 100"),
        ({"workers": [{**WORKER, "processes": "many"}]}, "workers.processes is 'many'; write a whole number"),
        ({"workers": [{**WORKER, "stop_timeout": 90000}]}, "stop_timeout is 90000; it must be a number from 1 to 86400 seconds"),
        ({"workers": [{**WORKER, "stop_signal": "KILL"}]}, "value of stop_signal must be one of: TERM, INT"),
        ({"workers": WORKER}, "write a list of dictionaries"),
        ({"workers": ["celery"]}, "workers[0] is 'celery'; write a dictionary"),
        ({"timers": [{**TIMER, "schedule": " "}]}, "schedule ' ' is not a time that systemd knows (there is none)"),
        ({"timers": [{**TIMER, "overlap": "wait"}]}, "value of overlap must be one of: skip, queue, kill"),
        ({"timers": [{**TIMER, "timeout": 0}]}, "timers 'digest': timeout is 0; it must be a number from 1 to 604800 seconds"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_remedy(entry, said):
    assert said in " ".join(mistakes(**entry))


def test_a_schedule_is_read_by_systemd_where_the_controller_has_one(tmp_path, monkeypatch):
    program = tmp_path / "systemd-analyze"
    program.write_text("#!/bin/sh\necho \"Failed to parse calendar specification '$2'\" >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert background.unparsed("every morning") == "Failed to parse calendar specification 'every morning'"
    program.unlink()
    assert background.unparsed("every morning") == ""
