"""The playbook maintenance, as far as it gets without a host: what it refuses, and in which words."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
APP = {"name": "shop", "module": "hello:app", "source": {"path": "nowhere"}}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"state": "on"}, "there is no app ''; say which with -e app=NAME, one of: shop"),
        ({"app": "shpo", "state": "on"}, "there is no app 'shpo'; say which with -e app=NAME, one of: shop"),
        ({"app": "shop"}, "state is ''; say -e state=on to close the app, or -e state=off to open it"),
        ({"app": "shop", "state": True}, "state is 'True'; say -e state=on"),
        ({"app": "shop", "state": "on"}, "app 'shop': it is not on this host; deploy it first"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said_with_its_remedy(tmp_path, variables, words):
    hosts = {"localhost": {"ansible_connection": "local", "ansible_become": False}}
    inventory = {"flask_servers": {"hosts": hosts, "vars": {"flask_apps": [APP]}}}
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))
    playbook = str(ROOT / "playbooks/maintenance.yml")
    argv = ["ansible-playbook", "-i", str(tmp_path / "inventory.json"), playbook, "-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "1000"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert words in " ".join((done.stdout + done.stderr).split())
