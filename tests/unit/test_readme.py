"""Every command and example of README.md is one that a test runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN_BY = {
    "make demo": ("tests/readme/test_readme.py", 'blocks("Try it", "sh")'),
    "make demo-clean": ("tests/readme/test_readme.py", 'blocks("Try it", "sh")'),
    ".venv/bin/ansible-playbook -i inventories/demo site.yml -e @my-apps.yml": (
        "tests/readme/test_readme.py",
        'blocks("Try it", "sh")',
    ),
    "ansible-galaxy collection build": ("molecule/default/side_effect.yml", "ansible-galaxy collection build"),
    "ansible-galaxy collection install ./emperor-flask-*.tar.gz": (
        "molecule/default/side_effect.yml",
        "./emperor-flask-*.tar.gz",
    ),
    "ansible-playbook -i inventory emperor.flask.site": (
        "molecule/default/side_effect.yml",
        "ansible-playbook -i inventory emperor.flask.site",
    ),
    "ansible-playbook -i inventory emperor.flask.deploy -e app=notes": (
        "tests/host/test_runs.py",
        "ansible-playbook -i inventory emperor.flask.deploy -e app=notes",
    ),
    "ansible-playbook -i inventory emperor.flask.rollback -e app=notes": (
        "tests/host/test_runs.py",
        "ansible-playbook -i inventory emperor.flask.rollback -e app=notes",
    ),
    "ansible-playbook -i inventory emperor.flask.status": (
        "tests/host/test_runs.py",
        "ansible-playbook -i inventory emperor.flask.status",
    ),
    "ansible-playbook -i inventory emperor.flask.doctor": (
        "tests/host/test_runs.py",
        "ansible-playbook -i inventory emperor.flask.doctor",
    ),
    'ansible-playbook -i inventory emperor.flask.run -e app=notes -e command="flask users add anna"': (
        "tests/host/test_runs.py",
        'emperor.flask.run -e app=notes -e command="flask users add anna"',
    ),
    "sudo flask-app notes flask shell": ("tests/host/test_environment.py", "flask-app notes flask shell"),
    "make test": (".ci/run", "make test"),
    "make benchmark": ("tests/readme/test_readme.py", '"make benchmark FAST=1"'),
}


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", [line for block in fenced("sh") for line in block.splitlines()])
def test_a_command_is_run_by_a_test(command):
    file, words = RUN_BY[command]
    assert words in (ROOT / file).read_text(encoding="utf-8")


def test_the_inventory_is_the_example_that_molecule_deploys():
    example = (ROOT / "inventories/example/hosts.yml").read_text(encoding="utf-8")
    assert example.removeprefix("---\n") in fenced("yaml")
    assert "inventories/example/hosts.yml" in (ROOT / "molecule/default/side_effect.yml").read_text(encoding="utf-8")
    assert len(example.removeprefix("---\n").splitlines()) <= 10


def test_make_molecule_runs_every_scenario():
    script = (ROOT / "scripts/molecule.sh").read_text(encoding="utf-8")
    run = re.search(r"^scenarios=\((.*)\)$", script, re.MULTILINE).group(1).split()
    scenarios = [path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")]
    assert sorted(run) == sorted(scenarios)
