"""The locks of Poetry and Pipenv, as pip gets them. Those of the fixture are the tools' own."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import requirements
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source

LOCKED = Path(__file__).parents[4] / "fixtures/locked"
GENERATED = "emperor-requirements.txt"
PIPENV, POETRY = "Pipfile.lock", "poetry.lock"
EXPORT = "run 'poetry export --output requirements.txt' and say requirements: [requirements.txt]"


@pytest.fixture
def folder(tmp_path):
    """A copy of the fixture with all locks."""
    return Path(shutil.copytree(LOCKED, tmp_path / "locked"))


def packages(folder, lock):
    found = source.resolve({"path": str(folder)})
    assert list(requirements.mistakes(found, [lock])) == []
    return requirements.plan(found, [lock], "locked:app").packages


@pytest.mark.parametrize("lock", [POETRY, PIPENV])
def test_exactly_what_is_locked_is_installed_by_hash(folder, lock):
    found = packages(folder, lock)
    lines = found.texts[GENERATED].splitlines()
    assert found.installs == [["--require-hashes", "--no-deps", "--requirement", GENERATED]]
    assert not found.uses_code
    assert [line.split()[0] for line in lines if line.startswith("flask")] == ["flask==3.0.3"]
    assert {"blinker", "click", "itsdangerous", "jinja2", "markupsafe", "werkzeug"} <= {
        line.partition("==")[0] for line in lines
    }
    assert not any(line.startswith("iniconfig") for line in lines)
    assert [line for line in lines if "--hash=sha256:" not in line] == (
        ["colorama ; sys_platform == 'win32'"] if lock == PIPENV else []
    )


def test_markers_of_a_lock_stay_in_its_lines(folder):
    text = packages(folder, POETRY).texts[GENERATED]
    assert '\nzipp==3.23.1 ; python_version == "3.9" --hash=sha256:' in text
    assert "\nwerkzeug==3.1.9 ; python_version >= '3.9' --hash=sha256:" in packages(folder, PIPENV).texts[GENERATED]


HASH = "sha256:" + "0" * 64


def pipfile_lock(folder, text="", **packages):
    """A Pipfile and its lock."""
    (folder / "Pipfile").write_text(text)
    sources = [{"name": "mine", "url": "https://x.test/simple", "verify_ssl": True}]
    content = {"_meta": {"sources": sources, "requires": {}}, "default": {}, "develop": {}}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    meta = {"hash": {"sha256": digest}, "pipfile-spec": 6, "sources": sources}
    (folder / PIPENV).write_text(json.dumps({"_meta": meta, "default": packages, "develop": {"y": {}}}))


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ({"version": "==1", "hashes": [HASH]}, f"x==1 --hash={HASH}"),
        (
            {"version": "==1", "hashes": [HASH], "index": "mine", "extras": ["b", "a"], "markers": "os_name"},
            f"x[a,b]==1 ; os_name --hash={HASH}",
        ),
        ({"file": "https://x.test/x.zip", "hashes": [HASH]}, f"x @ https://x.test/x.zip --hash={HASH}"),
        ({"version": "*", "markers": "os_name == 'nt'"}, "x ; os_name == 'nt'"),
    ],
)
def test_a_package_of_a_pipfile_lock(folder, package, line):
    pipfile_lock(folder, x=package)
    assert packages(folder, PIPENV).texts == {GENERATED: f"{line}\n"}


def poetry_lock(folder, *tables, version="2.1"):
    """A poetry.lock of the fixture's project with these packages, each a TOML table's lines."""
    metadata = (folder / POETRY).read_text().rpartition("[metadata]")[2].replace('"2.1"', f'"{version}"')
    head = 'name = "x"\nversion = "1"\noptional = false\ngroups = ["main"]\n'
    texts = [f"[[package]]\n{'' if 'groups' in table else head}{table}\n" for table in tables]
    (folder / POETRY).write_text("".join([*texts, f"[metadata]{metadata}"]))


FILES = f'files = [{{file = "x.zip", hash = "{HASH}"}}]\n'


@pytest.mark.parametrize(
    ("package", "line"),
    [
        (FILES, f"x==1 --hash={HASH}"),
        (f'{FILES}[package.source]\ntype = "legacy"\nurl = "https://x.test"\n', f"x==1 --hash={HASH}"),
        (f'{FILES}[package.source]\ntype = "file"\nurl = "x.zip"\n', f"./x.zip --hash={HASH}"),
        (
            f'{FILES}markers = {{main = "os_name", dev = "sys_platform"}}\n[package.source]\ntype = "url"\nurl = "https://x.test/x.zip"\n',
            f"x @ https://x.test/x.zip ; os_name --hash={HASH}",
        ),
    ],
)
def test_a_package_of_a_poetry_lock(folder, package, line):
    (folder / "x.zip").write_text("")
    poetry_lock(folder, package)
    found = packages(folder, POETRY)
    assert found.texts == {GENERATED: f"{line}\n"}
    assert found.uses_code is line.startswith(".")


def test_what_only_an_extra_or_another_group_needs_stays_away(folder):
    extra = f'name = "y"\nversion = "1"\noptional = true\ngroups = ["main"]\nmarkers = "extra == \'y\'"\n{FILES}'
    poetry_lock(folder, FILES, extra, extra.replace("true", "false").replace('"main"', '"docs"'))
    assert packages(folder, POETRY).texts == {GENERATED: f"x==1 --hash={HASH}\n"}


@pytest.mark.parametrize("lock", [POETRY, PIPENV])
def test_folders_of_the_code_are_installed_after_what_is_locked(folder, lock):
    poetry_lock(folder, FILES, 'files = []\n[package.source]\ntype = "directory"\nurl = "packages/x"\n')
    pipfile_lock(folder, y={"version": "==1", "hashes": [HASH]}, x={"path": "./packages/x", "editable": True})
    found = packages(folder, lock)
    assert found.installs[1] == ["--no-deps", "./packages/x"]
    assert found.uses_code


# What Poetry 2.5 computes for projects; with dependency groups, first as before 2.3.
HASHED = [
    (
        '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\nflask = "^3"\n',
        "afae3043212884c45b7f9dd8d7cf65151673c9fbcf5bc4fd5cd03d6baeb0f63b",
    ),
    (
        '[tool.poetry.dependencies]\nflask = "^3"\n[tool.poetry.group.dev.dependencies]\npytest = "*"\n',
        "b999f201b80bc384763e2344931e3015b5c9f192e0c3c86685132d0b33eb9ce7",
    ),
    (
        '[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = ["flask"]\n[tool.poetry]\npackage-mode = false\n',
        "162e89ca4d3444bbc0720042ad066ef218527807f9b09782d1bb3e3dfb9c6baf",
    ),
    (
        '[project]\ndependencies = ["flask"]\n[dependency-groups]\ndev = ["pytest"]\n',
        "0e4221b52c149c982bd0d89177623d7304369401ea2b6783bc2fb71a1648f677",
    ),
    (
        '[project]\ndependencies = ["flask"]\n[dependency-groups]\ndev = ["pytest"]\n',
        "7bf3fdc30892fac36cb7f94f8eea48b6b21189623a72bec63e675a8ff95b2187",
    ),
    ('[dependency-groups]\ndev = ["pytest"]\n', "5b0891bf0467bf6c8b3d0e3c6af1d6f11080a99058b75bc3bee83cee4e04f1ff"),
]


@pytest.mark.parametrize(("project", "digest"), HASHED)
def test_a_poetry_lock_belongs_to_its_project_by_poetrys_own_hash(folder, project, digest):
    (folder / "pyproject.toml").write_text(project)
    (folder / POETRY).write_text(f'[metadata]\nlock-version = "2.1"\ncontent-hash = "{digest}"\n')
    assert packages(folder, POETRY).installs == []
    (folder / "pyproject.toml").write_text(project.replace("flask", "celery").replace("pytest", "ruff"))
    with pytest.raises(Refusal, match="does not match"):
        packages(folder, POETRY)


def replaced(file, old, new):
    def change(folder):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return change


def removed(file):
    return lambda folder: (folder / file).unlink()


def made(write, **options):
    return lambda folder: write(folder, **options)


STALE = "poetry.lock does not match pyproject.toml; run 'poetry lock', or " + EXPORT
REFUSED = [
    (POETRY, replaced("pyproject.toml", "flask>=3.0", "flask>=3.1"), STALE),
    (POETRY, replaced("pyproject.toml", "iniconfig>=2.0", "pytest"), STALE),
    (POETRY, removed("pyproject.toml"), "poetry.lock has no pyproject.toml beside it; add the one that it locks, or"),
    (
        POETRY,
        replaced(POETRY, '"2.1"', '"2.0"'),
        "poetry.lock has lock-version 2.0, but 2.1 is known; run 'poetry lock'",
    ),
    (POETRY, replaced(POETRY, '"2.1"', '"3.0"'), "poetry.lock has lock-version 3.0, but 2.1 is known"),
    (
        POETRY,
        replaced(POETRY, "groups", "other"),
        "poetry.lock is not a lock that is understood here (KeyError('groups'))",
    ),
    (POETRY, replaced(POETRY, "[[package]]", "[package"), "poetry.lock cannot be read: "),
    (PIPENV, replaced("Pipfile", ">=3.0", ">=3.1"), "Pipfile.lock does not match Pipfile; run 'pipenv lock'"),
    (PIPENV, replaced("Pipfile", 'iniconfig = "*"', ""), "Pipfile.lock does not match Pipfile; run 'pipenv lock'"),
    (PIPENV, removed("Pipfile"), "Pipfile.lock has no Pipfile beside it; add the one that it locks, or remove it"),
    (PIPENV, replaced(PIPENV, '"pipfile-spec": 6', '"pipfile-spec": 7'), "Pipfile.lock has pipfile-spec"),
    (
        PIPENV,
        replaced(PIPENV, "_meta", "meta"),
        "Pipfile.lock is not a lock that is understood here (KeyError('_meta'))",
    ),
    (PIPENV, replaced(PIPENV, "{", ""), "Pipfile.lock cannot be read: "),
    (PIPENV, made(pipfile_lock, x={"version": "*"}), "Pipfile.lock has 'x==*' without a hash"),
    (
        PIPENV,
        made(pipfile_lock, x={"git": "https://x.test/x.git"}),
        "Pipfile.lock has 'x @ git+https://x.test/x.git', a repository, which",
    ),
    (PIPENV, made(pipfile_lock, x={"path": "../x"}), "Pipfile.lock has the folder '../x', which is outside"),
    (
        POETRY,
        lambda folder: poetry_lock(
            folder, 'files = []\n[package.source]\ntype = "git"\nurl = "https://x.test/x.git"\n'
        ),
        "poetry.lock has 'x @ git+https://x.test/x.git', a repository, which",
    ),
]


@pytest.mark.parametrize(("lock", "spoil", "words"), REFUSED)
def test_a_lock_that_cannot_be_kept_to_is_refused(folder, lock, spoil, words):
    spoil(folder)
    with pytest.raises(Refusal) as refusal:
        packages(folder, lock)
    assert str(refusal.value).startswith(words)


@pytest.mark.parametrize("lock", [POETRY, PIPENV])
def test_a_lock_is_only_understood_at_the_top(folder, lock):
    shutil.copytree(LOCKED, folder / "part")
    found = source.resolve({"path": str(folder)})
    assert [
        f"part/{lock}', which is only understood at the top" in one
        for one in requirements.mistakes(found, [f"part/{lock}"])
    ] == [True]
