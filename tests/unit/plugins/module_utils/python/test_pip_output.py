"""What pip printed when it failed, on hosts with Debian 13's pip 25.1 and with pip 22.0, and what a user reads of it first."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.python import pip
from ansible_collections.emperor.flask.plugins.module_utils.python.pip_output import cause_first

OUTPUTS = Path(__file__).parents[4] / "fixtures/pip"
HEADLINES = {
    "conflict": [
        "ERROR: Cannot install -r c.txt (line 1) and werkzeug==1.0 because these package versions have conflicting dependencies."
    ],
    "git": [
        "waitress@ git+https://github.com/Pylons/waitress.git: "
        "ERROR: Error [Errno 2] No such file or directory: 'git' while executing command git version",
        "ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?",
    ],
    "hashes": [
        "click==8.1.8 (from -r h.txt (line 1)): ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. ...",
    ],
    "invalid": [
        "ERROR: Invalid requirement: 'flask=3': Expected end or semicolon (after name and no valid version specifier)"
    ],
    "lxml": ["lxml==5.3.0: Error: Please make sure the libxml2 and libxslt development packages are installed."],
    "mysql.h": [
        "mysqlclient==2.2.7 (from -r my.txt (line 2)): src/MySQLdb/_mysql.c:29:10: fatal error: mysql.h: No such file or directory",
        "error: Command '['x86_64-linux-gnu-gcc', ...",
    ],
    "mysqlclient": [
        "mysqlclient==2.2.7 (from -r my.txt (line 2)): /bin/sh: 1: pkg-config: not found",
        "Exception: Can not find valid pkg-config name.",
    ],
    "netifaces": ["netifaces==0.11.0: error: [Errno 2] No such file or directory: 'x86_64-linux-gnu-gcc'"],
    "noversion": [
        "ERROR: Could not find a version that satisfies the requirement flask==99 (from versions: 0.1, 0.2, ..."
    ],
    "psycopg2": ["psycopg2==2.9.10 (from -r pg.txt (line 2)): Error: pg_config executable not found."],
    "psycopg2-pip22": ["psycopg2==2.9.10: Error: pg_config executable not found."],
    "python": [
        "numpy==1.19.5: pip._vendor.pyproject_hooks._impl.BackendUnavailable: Cannot import 'setuptools.build_meta'"
    ],
    "uwsgi": ["uwsgi==2.0.28: Exception: you need a C compiler to build uWSGI"],
}


def test_every_output_has_its_headline():
    assert {path.stem for path in OUTPUTS.iterdir()} == {*HEADLINES}


@pytest.mark.parametrize(("name", "headline"), HEADLINES.items(), ids=HEADLINES)
def test_the_cause_comes_first_and_once_and_the_end_of_the_output_after_it(name, headline):
    output = (OUTPUTS / f"{name}.txt").read_text()
    said = pip.reason(output, "/").splitlines()
    head, end = said[: said.index("The end of what pip said:")], said[said.index("The end of what pip said:") + 1 :]
    assert len(head) == len(headline)
    for line, wanted in zip(head, headline):
        assert line == wanted or line.startswith(wanted.removesuffix("...")) and wanted.endswith("...")
        assert len(line) < 400
    assert end and end == [line for line in output.rstrip().splitlines() if line in end][-len(end) :]
    assert [line for line in end if line.strip() and line.strip() in headline] == []


def test_a_list_of_versions_is_cut_in_its_middle():
    said = cause_first((OUTPUTS / "noversion.txt").read_text()).splitlines()[0]
    assert said.endswith("3.1.3)")
    assert " ... " in said


def test_what_names_no_cause_is_the_end_of_the_output():
    assert cause_first("\n".join(map(str, range(30)))) == "\n".join(map(str, range(10, 30)))


def test_a_build_that_says_nothing_is_named():
    output = "Collecting x==1\n  Building wheel for x (setup.py): finished with status 'error'\n  ERROR: Failed building wheel for x"
    assert cause_first(output) == f"x==1 failed:\n{output}"


def test_a_dependency_of_a_dependency_is_named_with_who_asks_for_it():
    lines = ["Collecting My.Lib>=2 (from shop->-r requirements.txt (line 3))", "Collecting click (from shop)"]
    output = "\n".join(
        [*lines, "      error: command 'gcc' failed: No such file or directory", "Failed to build my-lib"]
    )
    assert cause_first(output).startswith(
        "My.Lib>=2 (from shop->-r requirements.txt (line 3)): error: command 'gcc' failed: No such file or directory\n"
    )
