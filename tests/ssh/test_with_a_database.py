"""What docs/guide.md and docs/runbook.md have an operator type on a host: a database without a password, a backup, a first look."""

import re
import shlex

import pytest
from conftest import HOSTS
from plays import CHECKOUT, App, on, until

HOST = next(iter(HOSTS))
NOTES = """
import os, sqlite3
import psycopg2
from flask import Flask

app = Flask(__name__)
with sqlite3.connect("/var/www/notes/shared/notes.db") as kept:
    kept.execute("create table if not exists note (text)")


@app.get("/")
def who():
    with psycopg2.connect(os.environ["NOTES_DATABASE"]) as database, database.cursor() as cursor:
        cursor.execute("select current_user, current_database()")
        return " of ".join(cursor.fetchone())
"""


def blocks(page, heading):
    """The commands of a page under a heading."""
    text = (CHECKOUT / f"docs/{page}.md").read_text()
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL).group(1)
    return [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]


def typed(command):
    """What a command prints on a terminal, which sudo wants here."""
    return on(HOST, f"script --quiet --return --command {shlex.quote(command)} /dev/null")


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """An app of the guide's name; taken away afterwards."""
    folder = tmp_path_factory.mktemp("apps") / "notes"
    fixture = CHECKOUT / "tests/fixtures/shop"
    app = App("notes", folder, [HOST], fixture, processes=1, env={"NOTES_DATABASE": "postgresql:///notes"})
    (app.folder / "notes.py").write_text(NOTES)
    (app.folder / "requirements.txt").write_text("Flask==3.1.3\npsycopg2-binary==2.9.13\n")
    on(HOST, "apt-get update")
    for command in blocks("guide", "A database"):
        typed(command)
    run = app.play("site")
    assert run.status == 0, run.output
    yield app
    app.entry = {"name": "notes", "state": "absent"}
    app.deploy()


def test_an_app_has_its_database_without_a_password(notes):
    assert on(HOST, "curl -s -H 'Host: notes.test' localhost") == "notes of notes"
    assert "peer" in on(HOST, "runuser -u postgres -- psql --tuples-only --command 'table pg_hba_file_rules'")


def test_another_app_has_not(notes):
    with pytest.raises(AssertionError, match='role "nobody" does not exist'):
        on(HOST, "runuser -u nobody -- psql --dbname notes 2>&1 </dev/null")


def test_a_backup(notes):
    for command in blocks("guide", "Backups"):
        typed(command)
    assert on(HOST, "head -c 15 /var/www/notes/shared/notes.backup") == "SQLite format 3"


def test_a_first_look(notes):
    until(lambda: "active (running)" in typed("systemctl --no-pager status uwsgi-emperor@notes"))
    for command in blocks("runbook", "What to look at first"):
        typed(f"SYSTEMD_PAGER=cat {command}" if command.startswith("systemctl") else command)


def test_the_log_is_json(notes):
    typed("DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends jq")
    on(HOST, "curl -s -o /dev/null -H 'Host: notes.test' localhost/nowhere")
    (command,) = [line for line in blocks("nginx", "The log") if line.startswith("jq ")]
    assert typed(command) == ""
    assert "/nowhere" in typed(command.replace(">= 500", "== 404"))
