"""Which packages are installed, from which file, and what makes another virtual environment. uv is the real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import lock_files, requirements
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from sources import wheel

LOCKED = Path(__file__).parents[4] / "fixtures/locked"
BUILT = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
GENERATED = "emperor-requirements.txt"


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """A cache of our own and of uv's; what a lock that is right needs, it needs no network for."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("UV_CACHE_DIR", str(folder / "uv"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    return Cache(folder / "cache", folder / "run")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    return tmp_path


@pytest.fixture
def locked(tmp_path):
    """A copy of the fixture with both locks."""
    return Path(shutil.copytree(LOCKED, tmp_path / "locked"))


def plan(folder, named=None, module="app:app", cache=None):
    found = source.resolve({"path": str(folder)})
    assert list(requirements.mistakes(found, named)) == []
    return requirements.plan(found, named, module, cache)


def mistakes(folder, *named):
    return "\n".join(requirements.mistakes(source.resolve({"path": str(folder)}), list(named)))


def digest(folder, python="3.13", code="c", named=("requirements.txt",)):
    return plan(folder, named).digest(python, code)


def test_a_virtual_environment_is_identified_by_python_and_every_file_that_counts(folder):
    (folder / "requirements.txt").write_text("-r base.txt\n--constraint=pins.txt\nflask\n")
    (folder / "base.txt").write_text("sqlalchemy\n")
    (folder / "pins.txt").write_text("flask==3.1.3\n")
    first = digest(folder)
    assert digest(folder, code="other") == first
    others = {digest(folder, python="3.14")}
    (folder / "base.txt").write_text("sqlalchemy==2\n")
    others.add(digest(folder))
    (folder / "pins.txt").write_text("flask==3.1.2\n")
    others.add(digest(folder))
    assert len(others | {first}) == 4


INCLUDES = {
    "a byte order mark": "\ufeff-r base.txt\n".encode(),
    "UTF-16": "-r base.txt\n".encode("utf-16"),
    "UTF-16, the other way round": b"\xfe\xff" + "-r base.txt\n".encode("utf-16-be"),
    "the encoding in a comment": "# é\n# -*- coding: latin-1 -*-\n-r base.txt".encode("latin-1"),
    "carriage returns": b"flask\r\n-r base.txt\r\n",
    "a tab": b"-r\tbase.txt",
    "no blank": b"-rbase.txt",
    "an equals sign": b"--requirement=base.txt",
    "an abbreviation": b"--requirem base.txt",
    "quotes": b"-r 'base.txt'",
    "a constraint": b"-c base.txt",
    "a continued line": b"-r \\\nbase.txt",
    "a continued line, with a comment after it": b"-r \\\nbase.txt # why",
    "another option before it": b"--pre -r base.txt",
    "a comment": b"  -r base.txt # why",
}


@pytest.mark.parametrize("text", INCLUDES.values(), ids=INCLUDES)
def test_a_file_that_pip_reads_counts_however_it_is_included(folder, text):
    (folder / "requirements.txt").write_bytes(text)
    (folder / "base.txt").write_text("flask==3.1.2\n")
    first = plan(folder)
    assert first.read["base.txt"] == "flask==3.1.2\n"
    assert "flask" in first.names()
    (folder / "base.txt").write_text("flask==3.1.3\n")
    assert plan(folder).digest("3.13", "c") != first.digest("3.13", "c")


@pytest.mark.parametrize(
    "text", ["# -r base.txt", "x # -r base.txt", "# a \\\n-r base.txt # b\\\n", "x --hash=sha256:00 -r base.txt"]
)
def test_only_what_pip_includes_is_read(folder, text):
    (folder / "requirements.txt").write_text(text)
    (folder / "base.txt").write_text("flask\n")
    assert ("base.txt" in plan(folder).read) is text.startswith("# a")


def test_a_file_is_included_from_where_it_is_named(folder):
    for name, text in {
        "requirements/prod.txt": "-r ../base.txt\n-c pins.txt\n",
        "base.txt": "-r requirements/more.txt\n",
        "requirements/more.txt": "-r ../requirements/prod.txt\nflask\n",
        "requirements/pins.txt": "flask==3.1.3\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    assert {*plan(folder, ["requirements/prod.txt"]).read} == {
        "requirements/prod.txt",
        "base.txt",
        "requirements/more.txt",
        "requirements/pins.txt",
    }


OF_THE_CODE = [
    ".",
    ".[extra]",
    "./vendor/mylib",
    "vendor/mylib",
    "vendor/mylib[extra] ; python_version > '3'",
    "vendor/x-1-py3-none-any.whl",
    "vendor/x-1-py3-none-any.whl ; os_name == 'posix'",
    "vendor/x-1.tar.gz --hash=sha256:00",
    "x-1.zip",
    "file:./vendor/x-1.tar.gz",
    "file:vendor/x-1.tar.gz#egg=x",
    "x @ file:vendor/x-1.tar.gz",
    "x@file:vendor/x-1.tar.gz",
    "x [extra] @ FILE:///x",
    "--find-links vendor",
    "--find-links=vendor",
    "--find vendor",
    "-f vendor",
    "-fvendor",
    "-f\tvendor",
    "-f \\\nvendor",
    "--no-index -f ./vendor",
    "-f file:vendor",
    "-f ${WHEELS}/vendor",
]
OF_AN_INDEX = [
    "flask",
    "flask[async] >= 3, < 4 ; python_version > '3'  # ./vendor",
    "# ./vendor/mylib",
    "https://x.test/x-1.zip",
    "x @ https://x.test/x-1-py3-none-any.whl",
    "--find-links https://x.test/wheels/",
    "-f /srv/wheels",
    "/srv/wheels/x-1.zip",
    "-i https://${USER}:${PASSWORD}@x.test/simple",
    "--trusted-host x.test --pre",
    "--only-binary :all:",
    "--uploaded-prior-to P7D",
]


@pytest.fixture
def vendor(folder):
    """Parts of the code that requirements can name."""
    (folder / "vendor/mylib").mkdir(parents=True)
    for name in ("vendor/mylib/setup.py", "vendor/x-1-py3-none-any.whl", "vendor/x-1.tar.gz", "x-1.zip"):
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize(
    ("line", "counts"), [*((line, True) for line in OF_THE_CODE), *((line, False) for line in OF_AN_INDEX)]
)
@pytest.mark.parametrize("file", ["requirements.txt", "base.txt"])
def test_the_code_counts_where_a_requirement_names_a_part_of_it(vendor, line, counts, file):
    (vendor / "requirements.txt").write_text("-c base.txt\n")
    (vendor / "base.txt").write_text("")
    (vendor / file).write_text(f"{(vendor / file).read_text()}{line}\n")
    assert (digest(vendor, code="one") != digest(vendor, code="two")) is counts


def test_a_folder_of_wheels_may_lie_beside_the_file_that_names_it(folder):
    (folder / "requirements/wheels").mkdir(parents=True)
    (folder / "requirements/wheels/x-1-py3-none-any.whl").write_text("")
    (folder / "requirements/prod.txt").write_text("-f wheels\nx\n")
    assert plan(folder, ["requirements/prod.txt"]).packages.uses_code


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("-r base.txt", "base.txt"),
        ("-c ../pins.txt", "../pins.txt"),
        ("./mylib[extra]", "mylib"),
        ("libs/mylib", "libs/mylib"),
        ("x-1-py3-none-any.whl ; os_name == 'posix'", "x-1-py3-none-any.whl"),
        ("-f wheels", "wheels"),
        ("x @ file:x%201.zip", "x 1.zip"),
        ("ignored/x-1.zip", "ignored/x-1.zip"),
    ],
)
def test_what_requirements_name_must_be_in_the_source(folder, line, path):
    from sources import git

    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("ignored\n")
    (folder / "ignored").mkdir()
    (folder / "ignored/x-1.zip").write_text("")
    (folder / "requirements.txt").write_text(f"flask\n{line}\n")
    with pytest.raises(Refusal) as refusal:
        plan(folder)
    assert str(refusal.value) == (
        f"requirements.txt has '{line}', but the source has no {path} (what git ignores stays behind); add it, or correct the line"
    )


@pytest.mark.parametrize("content", [b"caf\xe9\n", b"# coding: no-such\n", b"\xff\xfeab\x00"])
def test_a_requirements_file_that_cannot_be_read(folder, content):
    (folder / "requirements.txt").write_bytes(content)
    with pytest.raises(Refusal, match="requirements.txt cannot be read: .*; save it as UTF-8"):
        plan(folder)


def test_requirements_files_of_a_host_or_a_server_are_not_known_here(folder):
    (folder / "requirements.txt").write_text("flask\n")
    assert plan(folder).lacks("gevent")
    for file in ("https://x.test/base.txt", "/etc/base.txt", "${BASE}.txt", "file:///etc/base.txt"):
        (folder / "requirements.txt").write_text(f"flask\n-r {file}\n")
        assert not plan(folder).lacks("gevent")


@pytest.mark.parametrize("line", ["-e .", "--editable=./x", "-e ./x[extra]", "-e\tx", "-ex", "--edita x", "-e \\\nx"])
def test_a_link_to_a_folder_is_refused(folder, line):
    (folder / "requirements.txt").write_text("-r base.txt\n")
    (folder / "base.txt").write_text(f"flask\n{line}\n")
    with pytest.raises(Refusal, match="base.txt has '.*', a link to a folder .* write it without -e"):
        plan(folder)


REPOSITORIES = {
    "git+https://me:secret@x.test/x.git@v1#egg=x": "git+https://x.test/x.git@v1#egg=x",
    "x @ git+ssh://git@x.test/x.git ; os_name == 'posix'": "git+ssh://git@x.test/x.git",
    "x[extra]@GIT+https://x.test/x.git": "GIT+https://x.test/x.git",
    "hg+https://x.test/x": "hg+https://x.test/x",
    "svn+https://x.test/x": "svn+https://x.test/x",
    "x @ bzr+lp:x": "bzr+lp:x",
}
EDITABLE = {
    "-e git+https://x.test/x.git#egg=x": "git+https://x.test/x.git#egg=x",
    "--editable=git+file:///srv/x.git": "git+file:///srv/x.git",
}


def without_tools(file, text, url):
    return (
        f"{file} has '{text}', a repository, which hosts have no tools to fetch; build a wheel of it into the source "
        f"(pip wheel --no-deps --wheel-dir wheels '{url}') and require that instead (./wheels/...whl), or a release that an index has"
    )


@pytest.mark.parametrize(("text", "url"), [*REPOSITORIES.items(), *EDITABLE.items()])
def test_a_repository_is_refused_with_what_to_do_before_anything_is_sent(folder, text, url):
    (folder / "requirements.txt").write_text("-r base.txt\n")
    (folder / "base.txt").write_text(f"flask\n{text}  # why\n")
    with pytest.raises(Refusal) as refusal:
        plan(folder)
    assert str(refusal.value) == without_tools("base.txt", text.replace("me:secret@", ""), url)


@pytest.mark.parametrize(("text", "url"), [item for item in REPOSITORIES.items() if "@ " in item[0]])
def test_so_is_one_that_a_project_depends_on(folder, text, url):
    (folder / "pyproject.toml").write_text(f'[project]\nname = "app"\ndependencies = ["flask", "{text}"]\n')
    with pytest.raises(Refusal) as refusal:
        plan(folder)
    assert str(refusal.value) == without_tools("pyproject.toml", text, url)


@pytest.mark.parametrize("text", ["x==1.0+git.1", "https://x.test/git+x.zip", "./git+x", "x  # git+https://x.test/x"])
def test_what_only_looks_like_a_repository(folder, text):
    (folder / "git+x").mkdir()
    (folder / "git+x/setup.py").write_text("")
    (folder / "requirements.txt").write_text(f"{text}\n")
    assert plan(folder).packages.installs


def test_files_that_include_each_other_end(folder):
    (folder / "requirements.txt").write_text("-r requirements.txt\n")
    assert digest(folder)


def test_hashes_are_required_of_all_where_there_is_one(folder):
    (folder / "requirements.txt").write_text("-r base.txt\n")
    (folder / "base.txt").write_text("flask==3.1.3 \\\n    --hash=sha256:00\n")
    assert plan(folder).packages.installs == [["--require-hashes", "--requirement", "requirements.txt"]]


def test_the_first_file_of_the_documented_order_is_used_and_the_others_are_named(locked, cache):
    for name in ("requirements.txt", "setup.py", "pdm.lock"):
        (locked / name).write_text("flask\n")
    seen = []
    while found := [name for name in requirements.ORDER if (locked / name).exists()]:
        seen.append(str(plan(locked, module="locked:app", cache=cache)))
        (locked / found[0]).unlink()
        if found[0] == "requirements.txt":  # what follows would not be used in their place
            (locked / "pdm.lock").unlink()
            (locked / "Pipfile").unlink()
    assert seen == [
        "uv.lock (not used: pylock.toml, poetry.lock, Pipfile.lock, requirements.txt, pdm.lock)",
        "pylock.toml (not used: poetry.lock, Pipfile.lock, requirements.txt, pdm.lock)",
        "poetry.lock (not used: Pipfile.lock, requirements.txt, pdm.lock)",
        "Pipfile.lock (not used: requirements.txt, pdm.lock)",
        "requirements.txt (not used: pdm.lock)",
        "pyproject.toml",
        "setup.py",
    ]
    assert str(plan(locked)) == "nothing"


def test_an_app_may_say_otherwise(locked, cache):
    (locked / "requirements.txt").write_text("flask\n")
    assert plan(locked, [], cache=cache).packages.installs == []
    assert str(plan(locked, ["./requirements.txt"])) == (
        "requirements.txt (not used: uv.lock, pylock.toml, poetry.lock, Pipfile.lock)"
    )


def test_a_pyproject_that_only_has_settings_of_tools_is_none(folder):
    (folder / "pyproject.toml").write_text("[tool.ruff]\n")
    assert str(plan(folder)) == "nothing"


def test_what_pyproject_requires_is_installed_without_the_project_so_that_new_code_installs_nothing(folder):
    (folder / "pyproject.toml").write_text(f'[project]\nname = "app"\ndependencies = ["flask", "x; os_name"]\n{BUILT}')
    packages = plan(folder).packages
    assert packages.installs == [["--requirement", GENERATED]]
    assert packages.texts == {GENERATED: "flask\nx; os_name\n"}
    assert plan(folder).digest("3.13", "one") == plan(folder).digest("3.13", "two")


def test_the_code_counts_where_a_dependency_of_a_project_is_a_part_of_it(vendor):
    project = '[project]\nname = "app"\ndependencies = ["flask", "x @ file:vendor/x-1.tar.gz"]\n'
    (vendor / "pyproject.toml").write_text(project)
    assert plan(vendor).packages.uses_code
    (vendor / "vendor/x-1.tar.gz").unlink()
    with pytest.raises(
        Refusal, match="pyproject.toml has 'x @ file:vendor/x-1.tar.gz', but the source has no vendor/x"
    ):
        plan(vendor)


@pytest.mark.parametrize("named", [None, ["setup.py"]])
def test_a_project_that_only_has_a_setup_py_is_built(named):
    packages = plan(LOCKED.parent / "setup_py", named, "flaskr:create_app()").packages
    assert (packages.origin, packages.installs, packages.uses_code) == ("setup.py", [["."]], True)


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("Pipfile", "run 'pipenv lock' and add Pipfile.lock"),
        ("pdm.lock", "run 'pdm export --prod --output requirements.txt' and add requirements.txt"),
    ],
)
@pytest.mark.parametrize("beside", ["app.py", "pyproject.toml", "setup.py"])
def test_a_file_of_another_tool_is_not_ignored_without_a_word(folder, file, remedy, beside):
    (folder / file).write_text("")
    (folder / beside).write_text('[project]\nname = "app"\ndependencies = ["flask"]\n')
    with pytest.raises(Refusal) as refusal:
        plan(folder)
    assert str(refusal.value) == f"{file} is not read here; {remedy}, or say in requirements what to install from"
    assert plan(folder, []).packages.installs == []
    (folder / "requirements.txt").write_text("flask\n")
    assert str(plan(folder)).startswith("requirements.txt")


@pytest.mark.parametrize("text", ['[project]\nname = "a"\ndynamic = ["dependencies"]\n', "[tool.poetry]\n" + BUILT])
def test_what_only_a_build_can_tell_is_built(folder, text):
    (folder / "pyproject.toml").write_text(text)
    packages = plan(folder).packages
    assert (packages.installs, packages.uses_code) == ([["."]], True)


@pytest.mark.parametrize(
    ("file", "module", "installed"),
    [
        ("app.py", "app:app", False),
        ("app/wsgi.py", "app.wsgi:app", False),
        ("src/app/__init__.py", "app:create_app()", False),
        ("lib/app/__init__.py", "app:app", True),
        ("lib/app.py", "app", True),
    ],
)
@pytest.mark.parametrize("lock", ["requirements.txt", "pyproject.toml", "pylock.toml"])
@pytest.mark.parametrize("build", ["pyproject.toml", "setup.py"])
def test_the_project_is_installed_where_its_module_cannot_be_imported_otherwise(
    tmp_path, file, module, installed, lock, build
):
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text("app = 1\n")
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\npackages = []\n')
    built = BUILT if build == "pyproject.toml" else ""
    (tmp_path / build).write_text("")
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "app"\ndependencies = []\n{built}')
    for name in {"requirements.txt", "pylock.toml"} - {lock}:
        (tmp_path / name).unlink(missing_ok=True)
    if lock == "requirements.txt":
        (tmp_path / lock).write_text("flask\n")
    packages = plan(tmp_path, module=module).packages
    assert (["--no-deps", "."] in packages.installs) is installed
    assert packages.uses_code is installed


def test_the_project_is_installed_where_the_app_says_so(locked, cache):
    packages = plan(locked, ["uv.lock", "."], cache=cache).packages
    assert packages.origin == "uv.lock, the project itself"
    assert packages.installs == [["--require-hashes", "--no-deps", "--requirement", GENERATED], ["--no-deps", "."]]


def test_both_kinds_of_lock_say_the_same_to_pip(locked, cache):
    exported, converted = (plan(locked, [name], cache=cache).packages for name in ("uv.lock", "pylock.toml"))
    assert exported.texts == converted.texts
    lines = exported.texts[GENERATED].splitlines()
    assert [line.split()[0] for line in lines if line.startswith("flask")] == ["flask==3.0.3"]
    assert any(line.startswith("click==8.1.8 ; python_full_version < '3.10' --hash=sha256:") for line in lines)
    assert not any(line.startswith("iniconfig") for line in lines)
    assert all("--hash=sha256:" in line for line in lines)
    assert exported.installs == [["--require-hashes", "--no-deps", "--requirement", GENERATED]]
    assert not exported.uses_code


def test_an_export_is_kept_until_lock_or_project_change(locked, cache, monkeypatch):
    first = plan(locked, cache=cache)
    monkeypatch.setattr(lock_files, "_uv", lambda *arguments: pytest.fail("uv was run again"))
    (locked / "locked.py").write_text("app = 2\n")
    assert plan(locked, cache=cache) == first


def test_a_uv_lock_that_does_not_match_its_project_is_refused(locked, cache):
    project = locked / "pyproject.toml"
    project.write_text(project.read_text().replace("flask>=3.0", "flask>=3.0,!=3.0.3"))
    with pytest.raises(Refusal, match="uv.lock does not match its project"):
        plan(locked, cache=cache)


def test_a_lock_for_a_python_that_the_controller_lacks_is_exported_and_checked_without_it(locked, cache):
    for name in ("pyproject.toml", "uv.lock"):
        text = (locked / name).read_text()
        (locked / name).write_text(text.replace('requires-python = ">=3.9"', 'requires-python = ">=3.99"'))
    assert "flask==3.0.3" in plan(locked, ["uv.lock"], cache=cache).packages.texts[GENERATED]
    project = locked / "pyproject.toml"
    project.write_text(project.read_text().replace('"flask>=3.0"', '"flask>=3.0", "celery"'))
    with pytest.raises(
        Refusal, match="uv.lock does not match its project: it was not made for 'celery' of pyproject.toml; lock"
    ):
        plan(locked, ["uv.lock"], cache=cache)


# A project whose parts only a build can tell, with a lock that uv made. Whatever runs of it leaves a file.
HOSTILE = {
    "pyproject.toml": """
[project]
name = "Hostile_App"
dynamic = ["version"]
requires-python = ">=3.9"
dependencies = ["Part[x] >=1, <4", "gone; python_version < '3'"]
[project.optional-dependencies]
more = ["celery"]
[dependency-groups]
dev = ["pytest"]
Web = ["served>=1", {include-group = "more"}]
more = ["six"]
[tool.uv]
default-groups = ["web"]
cache-dir = "ran.cache"
[tool.uv.sources]
part = {workspace = true}
[tool.uv.workspace]
members = ["part"]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
""",
    "part/pyproject.toml": '[project]\nname = "part"\nversion = "1"\ndependencies = ["six>=1"]\n',
    "uv.lock": """
version = 1
requires-python = ">=3.9"
[manifest]
members = ["hostile-app", "part"]
[[package]]
name = "hostile-app"
source = { editable = "." }
dependencies = [{ name = "part", extra = ["x"] }]
[package.dev-dependencies]
dev = []
more = [{ name = "six" }]
web = [{ name = "six" }]
[package.metadata]
requires-dist = [
    { name = "celery", marker = "extra == 'more'" },
    { name = "gone", marker = "python_full_version < '3'" },
    { name = "part", extras = ["x"], virtual = "part" },
]
[package.metadata.requires-dev]
dev = []
more = [{ name = "six" }]
web = [{ name = "served", specifier = ">=1" }, { name = "six" }]
[[package]]
name = "part"
version = "1"
source = { virtual = "part" }
dependencies = [{ name = "six" }]
[package.metadata]
requires-dist = [{ name = "six", specifier = ">=1" }]
[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://pypi.org/simple" }
sdist = { url = "https://x.test/six-1.17.0.tar.gz", hash = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
""",
    "backend.py": "open('ran.backend', 'w').close()\n",
    "setup.py": "open('ran.setup', 'w').close()\n",
    ".venv/pyvenv.cfg": "home = /usr/bin\nversion_info = 3.11.0\n",
    ".venv/bin/python": "#!/bin/sh\ntouch ran.python\n",
}


@pytest.fixture
def hostile(tmp_path):
    """A hostile project; what ran of it, and where uv was led to write, is in files named ``ran.*``."""
    for name, text in HOSTILE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".venv/bin/python").chmod(0o755)
    return tmp_path


def test_nothing_of_a_project_runs_to_read_its_lock(hostile, cache, monkeypatch):
    monkeypatch.delenv("UV_CACHE_DIR")
    assert "six==1.17.0 --hash=sha256:00" in plan(hostile, ["uv.lock"], cache=cache).packages.texts[GENERATED]
    assert list(hostile.rglob("ran.*")) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("pyproject.toml", '"Part[x] >=1, <4"', '"part[x,y]"', "was not made for 'part.x,y.' of pyproject.toml"),
        ("pyproject.toml", "\"gone; python_version < '3'\"", '"gone>1"', "was not made for 'gone>1' of pyproject.toml"),
        (
            "pyproject.toml",
            ", \"gone; python_version < '3'\"",
            "",
            "was made for gone, which pyproject.toml does not require so",
        ),
        ("pyproject.toml", '"served>=1"', '"served>=2"', "was not made for 'served>=2' of pyproject.toml"),
        ("pyproject.toml", '["web"]', '"all"', ""),
        ("pyproject.toml", 'more = ["six"]', 'more = ["six", "new"]', "was not made for 'new' of pyproject.toml"),
        ("part/pyproject.toml", "six>=1", "six>=1.16", "was not made for 'six>=1.16' of part/pyproject.toml"),
        ("pyproject.toml", "Hostile_App", "other", "has no 'other'"),
        ("uv.lock", 'editable = "."', 'registry = "https://x.test"', "is that of another one"),
        ("pyproject.toml", 'more = ["celery"]', 'more = ["celery>5"]', ""),
        ("pyproject.toml", 'dev = ["pytest"]', "dev = []", ""),
        ("pyproject.toml", '["version"]', '["version", "dependencies"]', ""),
        ("uv.lock", "source = { editable", "other = { editable", "is not a lock that is understood here"),
        (
            "uv.lock",
            'registry = "https://pypi.org/simple" }\n',
            'git = "https://x.test/six.git#0123456789012345678901234567890123456789" }\n',
            "uv.lock has 'six @ git.https://x.test/six.git@0123456789.*', a repository, which hosts have no tools to fetch",
        ),
        ("uv.lock", "version = 1\n", "version = 99\n", "cannot be exported by uv on the controller"),
    ],
)
def test_a_stale_lock_is_refused_and_nothing_of_its_project_runs(hostile, cache, file, old, new, words):
    text = (hostile / file).read_text()
    assert old in text
    (hostile / file).write_text(text.replace(old, new, 1))
    if words:
        with pytest.raises(Refusal, match=words):
            plan(hostile, ["uv.lock"], cache=cache)
    else:
        assert plan(hostile, ["uv.lock"], cache=cache).packages.installs
    assert list(hostile.rglob("ran.*")) == []


def test_no_uv_on_the_controller(locked, cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(
        Refusal, match=r"uv.lock is read by uv, .* install it there \(pip install uv\), or lock to pylock"
    ):
        plan(locked, cache=cache)


def test_a_uv_lock_alone(locked, cache):
    (locked / "pyproject.toml").unlink()
    with pytest.raises(Refusal, match="uv.lock has no pyproject.toml beside it"):
        plan(locked, cache=cache)


def pylock(folder, *packages, **head):
    """Write a pylock.toml of these packages, each a TOML table's lines."""
    lines = [f"{key.replace('_', '-')} = {value}" for key, value in {"lock_version": '"1.0"', **head}.items()]
    (folder / "pylock.toml").write_text("\n".join([*lines, *(f"[[packages]]\n{package}" for package in packages)]))


HASH = 'hashes = {sha256 = "00"}'


@pytest.mark.parametrize(
    ("package", "line"),
    [
        (f'version = "1"\nwheels = [{{url = "u", {HASH}}}]', "x==1 --hash=sha256:00"),
        (f'version = "1"\nmarker = "os_name"\nsdist = {{url = "u", {HASH}}}', "x==1 ; os_name --hash=sha256:00"),
        (f'archive = {{url = "https://x.test/x.zip", {HASH}}}', "x @ https://x.test/x.zip --hash=sha256:00"),
        (f'archive = {{path = "dist/x.zip", {HASH}}}', "./dist/x.zip --hash=sha256:00"),
    ],
)
def test_a_package_of_a_pylock(folder, package, line):
    (folder / "dist").mkdir()
    (folder / "dist/x.zip").write_text("")
    pylock(folder, f'name = "x"\n{package}')
    packages = plan(folder).packages
    assert packages.texts == {GENERATED: f"{line}\n"}
    assert packages.uses_code is line.startswith(".")


@pytest.mark.parametrize(
    ("marker", "selected"),
    [
        ("'dev' in dependency_groups", 'python_version < "0"'),
        ("'web' in dependency_groups and os_name == 'x'", "python_version >= \"0\" and os_name == 'x'"),
        ("'web' not in dependency_groups", 'python_version < "0"'),
        ("'web' in extras or 'x' not in extras", 'python_version < "0" or python_version >= "0"'),
    ],
)
def test_groups_and_extras_are_chosen_on_the_controller(folder, marker, selected):
    pylock(folder, f'name = "x"\nversion = "1"\nmarker = "{marker}"\nsdist = {{{HASH}}}', default_groups='["web"]')
    assert plan(folder).packages.texts == {GENERATED: f"x==1 ; {selected} --hash=sha256:00\n"}


def test_folders_of_the_code_are_installed_after_what_is_locked(folder):
    pylock(folder, 'name = "x"\ndirectory = {path = "packages/x"}', f'name = "y"\nversion = "1"\nsdist = {{{HASH}}}')
    packages = plan(folder).packages
    assert packages.installs[1] == ["--no-deps", "./packages/x"]
    assert packages.uses_code


@pytest.mark.parametrize(
    ("package", "words"),
    [
        (
            'vcs = {type = "git", url = "https://x.test/x.git"}',
            "has 'x @ git.https://x.test/x.git', a repository, which",
        ),
        ('version = "1"', "has 'x==1' without a hash"),
        (f"sdist = {{{HASH}}}", "has 'x' without version"),
        ('directory = {path = "../x"}', "has the folder '../x', which is outside of the source"),
    ],
)
def test_a_package_that_cannot_be_kept_to_is_refused(folder, package, words):
    pylock(folder, f'name = "x"\n{package}')
    with pytest.raises(Refusal, match=f"pylock.toml {words}"):
        plan(folder)


@pytest.mark.parametrize(
    ("dependency", "words"),
    [
        ("celery", "which requires 'celery': it has no celery"),
        ("Flask>=3.1", "which requires 'Flask>=3.1': it has Flask 3.0.3"),
    ],
)
def test_a_pylock_that_does_not_match_its_project_is_refused(locked, dependency, words):
    project = locked / "pyproject.toml"
    project.write_text(project.read_text().replace("flask>=3.0", dependency))
    with pytest.raises(Refusal, match=f"pylock.toml does not match pyproject.toml, {words}; lock the project anew"):
        plan(locked, ["pylock.toml"])


def test_a_requirement_that_not_every_host_has_may_be_missing(locked):
    project = locked / "pyproject.toml"
    project.write_text(project.read_text().replace('"flask>=3.0"', '"flask>=3.0", "wmi; sys_platform == \'win32\'"'))
    assert plan(locked, ["pylock.toml"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lock-version =", "pylock.toml cannot be read: "),
        ('lock-version = "2.0"', "lock-version '2.0', but 1.x is known"),
    ],
)
def test_a_pylock_that_cannot_be_read(folder, text, words):
    (folder / "pylock.toml").write_text(text)
    with pytest.raises(Refusal, match=words):
        plan(folder)


def test_what_an_app_names_must_be_in_the_source(locked):
    assert "'no.txt', but there is no" in mistakes(locked, "no.txt")
    assert "'../../x', which is outside of" in mistakes(locked, "../../x")
    shutil.copytree(LOCKED, locked / "part")
    assert f"'part/uv.lock', which is only understood at the top of the source; make {locked}/part" in mistakes(
        locked, "part/uv.lock"
    )
    (locked / "requirements.txt").write_text("flask\n")
    assert "but uv.lock says everything; keep one" in mistakes(locked, "requirements.txt", "uv.lock")


def test_what_git_ignores_stays_behind_even_if_it_is_named(folder):
    from sources import git

    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("requirements.txt\n")
    (folder / "requirements.txt").write_text("flask\n")
    assert "git ignores" in mistakes(folder, "requirements.txt")
    assert str(plan(folder)) == "nothing"


def test_a_package_is_all_that_is_installed(tmp_path):
    published = source.resolve({"package": "shop==1.2"})
    packages = requirements.plan(published, None, "shop:app").packages
    assert (packages.origin, packages.installs, packages.uses_code) == ("shop==1.2", [["shop==1.2"]], False)
    built = source.resolve({"package": str(wheel(tmp_path, "shop", "1.2", "", "flask"))})
    packages = requirements.plan(built, None, "shop:app").packages
    assert (packages.installs, packages.uses_code) == ([["./shop-1.2-py3-none-any.whl"]], True)
    (sentence,) = requirements.mistakes(built, ["requirements.txt"])
    assert "source.package has none" in sentence
