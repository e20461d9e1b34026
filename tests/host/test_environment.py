"""Environment and secrets arrive byte by byte, in the app and in an operator's shell."""

import json
import shlex
from pathlib import Path

import pytest
import yaml

SECRETS = yaml.safe_load(
    (Path(__file__).parents[2] / "molecule/default/stranger/secrets.yml").read_text(encoding="utf-8")
)
EXPECTED = SECRETS["flask_app_defaults"]["secrets"]
PRINT = "import os, sys; sys.stdout.write(ascii(os.environ[{!r}]))"


@pytest.mark.parametrize("name", EXPECTED)
def test_a_secret_arrives_in_the_app(door, name):
    arrived = json.loads(door.ask(f"/environment/{name}", "notes.example.com")[1])
    assert bytes(arrived).decode() == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_secret_arrives_in_an_operators_command(host, name):
    command = ["flask-app", "notes", "python", "-c", PRINT.format(name)]
    assert host.check_output(shlex.join(command)) == ascii(EXPECTED[name])


def test_no_secret_is_in_the_hosts_journal(host):
    known = EXPECTED["NOTES_SECRET"].splitlines()[-1]
    journal = host.check_output("journalctl --no-pager | grep 'Invoked with'")
    assert "uwsgi_ini" in journal  # what the release module was told
    assert known not in journal
    assert "known to echo alone" not in journal


def test_flask_shell_has_the_app_and_its_environment(host):
    asked = "echo 'import os; print(app.name, os.environ[\"NOTES_DATABASE\"])' | flask-app notes flask shell"
    assert "notes sqlite:////var/www/notes/shared/notes.db" in host.check_output(asked)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [("nobody-here", "usage: sudo flask-app"), ("nobody-here id", "no app 'nobody-here'")],
)
def test_a_wrong_call_says_what_to_do(host, arguments, words):
    answer = host.run(f"flask-app {arguments}")
    assert answer.rc != 0
    assert words in answer.stderr
