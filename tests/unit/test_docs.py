"""Every page is true as far as a test can read it: links lead somewhere, commands are ones that a test runs, examples are what they say."""

import re

import pytest
import yaml
from test_readme import ROOT
from test_readme import RUN_BY as OF_README

PAGES = sorted(
    [*(ROOT / "docs").glob("*.md"), *ROOT.glob("roles/*/README.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
LOGS = "tests/many_apps/test_logs.py"
BACKGROUND = "tests/many_apps/test_timers.py"
UPGRADE = "tests/fleet/test_changes.py"
GUIDE = "tests/ssh/test_with_a_database.py"
RUN_BY = {
    **OF_README,
    "make setup": ("Makefile", "\ntest: setup "),
    "make test FAST=1": ("scripts/test.sh", "FAST"),
    "ansible-playbook -i inventory emperor.flask.deploy": ("tests/host/test_runs.py", "emperor.flask.deploy"),
    "ansible-playbook -i inventory emperor.flask.upgrade": (UPGRADE, 'shop.play, "upgrade"'),
    "ansible-playbook -i inventory emperor.flask.upgrade -e reboot=needed": (UPGRADE, 'reboot="needed"'),
    "ansible-playbook -i inventory emperor.flask.upgrade -e reboot=true": (UPGRADE, 'parametrize("reboot", ["true"'),
    "ansible-playbook -i inventory emperor.flask.deploy -e app=notes -e version=v1.4.2": (
        "tests/releases/test_sources.py",
        '"version=v1.0"',
    ),
    "ansible-playbook -i inventory emperor.flask.maintenance -e app=notes -e state=on": (
        "tests/front_door/test_serving.py",
        'play("maintenance"',
    ),
    "sudo apt-get install -y postgresql": (GUIDE, 'blocks("guide", "A database")'),
    "sudo -u postgres createuser notes": (GUIDE, 'blocks("guide", "A database")'),
    "sudo -u postgres createdb --owner notes notes": (GUIDE, 'blocks("guide", "A database")'),
    "sudo flask-app notes python -m sqlite3 /var/www/notes/shared/notes.db \"VACUUM INTO '/var/www/notes/shared/notes.backup'\"": (
        GUIDE,
        'blocks("guide", "Backups")',
    ),
    "systemctl status 'uwsgi-emperor@notes' 'emperor-notes.slice'": (GUIDE, 'blocks("runbook"'),
    "sudo flask-app notes logs": (GUIDE, 'blocks("runbook"'),
    "sudo flask-app notes logs --since '1 hour ago'": (LOGS, 'documented("hour")'),
    "sudo flask-app notes logs --follow": (LOGS, 'documented("--follow")'),
    "sudo flask-app notes logs --since today | jq --raw-input 'fromjson? | select(.event == \"paid\")'": (
        LOGS,
        'documented("jq")',
    ),
    "systemctl list-units 'emperor-worker-notes-*'": (BACKGROUND, "docs/workers.md"),
    "systemctl list-timers 'emperor-timer-notes-*'": (BACKGROUND, "docs/workers.md"),
    "journalctl --unit 'emperor-worker-notes-*' --since -1h": (BACKGROUND, "docs/workers.md"),
    "journalctl --identifier notes/digest": (BACKGROUND, "docs/workers.md"),
    "sudo flask-app": (GUIDE, 'blocks("runbook"'),
    "sudo flask-app --metrics": ("tests/many_apps/test_metrics.py", 'shown("--metrics")'),
    "nginx -t": (GUIDE, 'blocks("runbook"'),
    "jq -r 'select(.app == \"notes\" and .status >= 500) | [.time, .request_id, .uri] | @tsv' /var/log/nginx/access.log": (
        GUIDE,
        'blocks("nginx", "The log")',
    ),
}
# Of commands that came from another language, or say it the long way round.
TRANSLATED = re.compile(
    r"(?<!there )(?<!There )\bis no \w|\b[Ff]or whoever\b|\bends red\b|\bis red\b|\bWhat the source has there\b|\bgone back to unless\b"
)


def fenced(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EACH
def test_a_command_is_one_that_a_test_runs(page):
    for command in [line for block in fenced(page, "sh") for line in block.splitlines()]:
        file, words = RUN_BY[re.sub(r"\s+# .*$", "", command)]
        assert words in (ROOT / file).read_text(encoding="utf-8"), command


@EACH
def test_an_example_is_yaml(page):
    for block in fenced(page, "yaml"):
        assert yaml.safe_load(block)


@EACH
def test_it_is_plain_english(page):
    assert TRANSLATED.findall(page.read_text(encoding="utf-8")) == []


def test_every_page_is_in_the_table_of_contents():
    contents = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if page.parent == ROOT / "docs" and page.name != "README.md":
            assert f"]({page.name})" in contents


def test_every_page_is_in_the_sites_table_of_contents():
    listed = (ROOT / ".config/site/index.rst").read_text(encoding="utf-8")
    assert [page.stem for page in (ROOT / "docs").glob("*.md") if f"pages/{page.stem}\n" not in listed] == []
