"""One app, released from every kind of source and every kind of lock, on hosts that have neither git nor uv."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

testinfra_hosts = ["ansible://emperor-releases-1"]

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = os.environ["MOLECULE_INVENTORY_FILE"]
FIXTURES = ROOT / "tests/fixtures"
NAME = "sources"
HOME = f"/var/www/{NAME}"


def play(tmp_path, *extra, **app):
    """Release the app, with extra variables; return exit status, output and the numbers of changes."""
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"flask_apps": [{"name": NAME, "server_names": ["sources.test"], **app}]}))
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "COLUMNS": "1000"}
    argv = [
        "ansible-playbook",
        "-i",
        INVENTORY,
        "playbooks/deploy.yml",
        "--limit",
        "emperor-releases-1",
        "-e",
        f"@{variables}",
        *(part for variable in extra for part in ("-e", variable)),
    ]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, re.findall(r"changed=(\d+)", done.stdout)


def release(tmp_path, *extra, **app):
    """Release the app; return the output."""
    status, output, changed = play(tmp_path, *extra, **app)
    assert status == 0 and changed != ["0"], output
    return output


def answer(host):
    """What the app answers through nginx."""
    done = host.run("curl --silent --show-error --fail -H 'Host: sources.test' http://127.0.0.1/")
    assert done.rc == 0, done.stderr
    return done.stdout


def links(host):
    """Digests of the live release's code and virtual environment."""
    return [Path(host.file(f"{HOME}/current/{name}").linked_to).name for name in ("code", "venv")]


def origin(host):
    """Where the live release says it is from."""
    return json.loads(host.file(f"{HOME}/current/manifest.json").content_string)["origin"]


def git(folder, *arguments):
    argv = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@x.test", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """The tutorial's app in git, tagged; and a change on the main branch after it."""
    folder = Path(shutil.copytree(ROOT / "examples/demoapp", tmp_path / "repository"))
    module = folder / "hello.py"
    module.write_text(module.read_text().replace("Hello World!", "Hello tag!"))
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "first")
    git(folder, "tag", "v1.0")
    module.write_text(module.read_text().replace("Hello tag!", "Hello git!"))
    git(folder, "commit", "--quiet", "--all", "--message", "second")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel and a source distribution, as a release of the packaged app would publish them."""
    folder = tmp_path_factory.mktemp("built")
    project = shutil.copytree(FIXTURES / "packaged", folder / "packaged")
    subprocess.run(["uv", "build", "--quiet", "--out-dir", folder, project], check=True)
    return {"wheel": next(folder.glob("*.whl")), "sdist": next(folder.glob("*.tar.gz"))}


def test_a_branch_a_tag_and_a_commit_of_a_repository(host, tmp_path, repository):
    assert not host.exists("git")
    app = {"module": "hello:app"}
    output = release(tmp_path, source={"git": str(repository), "version": "main"}, **app)
    assert f"app '{NAME}': git {repository}, version main, commit {git(repository, 'rev-parse', 'main')}" in output
    assert "packages: requirements.txt" in output
    assert answer(host) == "Hello git!"
    # A version that is typed goes before the inventory's.
    release(tmp_path, f"app={NAME}", "version=v1.0", source={"git": str(repository), "version": "main"}, **app)
    assert answer(host) == "Hello tag!"
    tagged = git(repository, "rev-parse", "v1.0")
    assert origin(host)["source"] == {"git": str(repository), "version": "v1.0", "commit": tagged}
    # The same code under another name is the same release.
    assert set(play(tmp_path, source={"git": str(repository), "version": tagged}, **app)[2]) == {"0"}


def test_an_archive(host, tmp_path, repository):
    archive = tmp_path / "shop.tar.gz"
    git(repository, "archive", "--prefix", "shop-main/", "--output", str(archive), "main")
    release(tmp_path, source={"archive": str(archive)}, module="hello:app")
    assert answer(host) == "Hello git!"
    assert host.file(f"{HOME}/current/code/hello.py").exists


LOCKS = ["uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_kept_and_new_code_installs_nothing(host, tmp_path, lock):
    assert [tool for tool in ("uv", "poetry", "pipenv") if host.exists(tool)] == []
    code = Path(shutil.copytree(FIXTURES / "locked", tmp_path / "locked"))
    for other in {*LOCKS} - {lock}:
        (code / other).unlink()
    app = {"source": {"path": str(code)}, "module": "locked:app"}
    module = code / "locked.py"
    module.write_text(f"{module.read_text()}\nLOCK = '{lock}'\n")
    assert f"packages: {lock}" in play(tmp_path, **app)[1]
    packages = json.loads(answer(host))
    assert packages["flask"] == "3.0.3"
    assert "iniconfig" not in packages
    code_before, venv_before = links(host)
    module.write_text(module.read_text() + "MORE = True\n")
    release(tmp_path, **app)
    code_after, venv_after = links(host)
    assert (code_after != code_before, venv_after == venv_before) == (True, True)


def test_a_project_that_must_be_built(host, tmp_path):
    release(tmp_path, source={"path": str(FIXTURES / "packaged")}, module="packaged:app")
    said = json.loads(answer(host))
    assert said["version"] == "1.2"
    assert "/site-packages/packaged/" in said["file"]
    assert not host.file(f"{HOME}/current/venv/emperor-code").exists
    assert not host.file(f"{HOME}/current/code/build").exists


def test_a_project_that_has_its_version_from_gits_tags(host, tmp_path):
    folder = Path(shutil.copytree(FIXTURES / "packaged", tmp_path / "tagged"))
    project = folder / "pyproject.toml"
    text = (
        project.read_text()
        .replace('version = "1.2"', 'dynamic = ["version"]')
        .replace('>=68"', '>=80", "setuptools-scm>=8"')
    )
    project.write_text(f"{text}[tool.setuptools_scm]\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "x")
    git(folder, "tag", "v1.3")
    build_env = {"build_env": {"TOLD": "a b"}, "hooks": {"build": ["test \"$TOLD\" = 'a b'"]}}
    assert not host.exists("hello")
    release(tmp_path, source={"git": str(folder)}, module="packaged:app", system_packages=["hello"], **build_env)
    assert host.exists("hello")
    assert json.loads(answer(host))["version"] == "1.3"


def test_what_must_be_compiled_is_built_on_one_host_of_each_kind_and_the_others_get_the_wheels(
    host, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    needs = ["gcc", "libc6-dev", "python3-dev", "uthash-dev"]
    app = {"source": {"path": str(FIXTURES / "native")}, "module": "compiled:app", "build_packages": needs}
    before = host.check_output("dpkg-query -W")
    told = "its wheels are built on emperor-releases-1"
    assert told in release(tmp_path, **app)
    assert answer(host) == "2 kinds\n"
    assert host.check_output("dpkg-query -W") == before
    play(tmp_path, state="absent")  # as good as another host of its kind
    assert told not in release(tmp_path, **app)
    assert answer(host) == "2 kinds\n"


def test_a_project_that_only_has_a_setup_py(host, tmp_path):
    health = {"path": "/hello"}
    release(tmp_path, source={"path": str(FIXTURES / "setup_py")}, module="flaskr:create_app()", health=health)
    done = host.run("curl --silent --show-error --fail -H 'Host: sources.test' http://127.0.0.1/hello")
    assert done.stdout == "Hello, World!", done.stderr


def test_a_package_that_was_built_and_what_it_keeps_survives_releases(host, tmp_path, built):
    app = {"module": "packaged:app", "shared": ["var/packaged-instance"]}
    release(tmp_path, source={"package": str(built["wheel"])}, **app)
    said = json.loads(answer(host))
    assert said["version"] == "1.2"
    assert "/site-packages/packaged/" in said["file"]
    ask = "curl --silent --show-error --fail -H 'Host: sources.test' http://127.0.0.1"
    assert host.check_output(f"{ask}/ -H 'Content-Type: text/plain' --data hello") == "kept"
    before = links(host)
    release(tmp_path, source={"package": str(built["sdist"])}, **app)
    assert links(host)[1] != before[1]
    assert json.loads(host.check_output(f"{ask}/kept")) == ["hello", "hello"]


def test_a_package_of_an_index(host, tmp_path):
    release(tmp_path, source={"package": "werkzeug==3.1.3"}, module="werkzeug.testapp:test_app")
    assert "WSGI Information" in answer(host)
    assert host.file(f"{HOME}/current/code").is_directory
    assert host.file(f"{HOME}/current/code/").listdir() == []


def lock_with_a_wrong_hash(tmp_path):
    code = Path(shutil.copytree(FIXTURES / "locked", tmp_path / "spoilt"))
    (code / "uv.lock").unlink()
    lock = code / "pylock.toml"
    lock.write_text(re.sub(r"sha256 = \"[0-9a-f]{8}", 'sha256 = "00000000', lock.read_text()))
    return {"source": {"path": str(code)}, "module": "locked:app"}


def lock_of_another_project(tmp_path):
    code = Path(shutil.copytree(FIXTURES / "locked", tmp_path / "other"))
    project = code / "pyproject.toml"
    project.write_text(project.read_text().replace("flask>=3.0", "flask>=3.0,!=3.0.3"))
    return {"source": {"path": str(code)}, "module": "locked:app"}


def reference_that_does_not_exist(tmp_path):
    git(tmp_path, "init", "--quiet", "r")
    git(tmp_path / "r", "commit", "--quiet", "--allow-empty", "--message", "x")
    git(tmp_path / "r", "tag", "v1.4.2")
    return {"source": {"git": str(tmp_path / "r"), "version": "v1.4.3"}, "module": "x:app"}


def package_of_a_repository(tmp_path):
    code = tmp_path / "vcs"
    code.mkdir()
    (code / "x.py").write_text("app = None\n")
    (code / "requirements.txt").write_text("flask\nwaitress @ git+https://github.com/Pylons/waitress.git@v3.0.0\n")
    return {"source": {"path": str(code)}, "module": "x:app"}


MISTAKES = {
    "two sources": (lambda _: {"source": {"path": ".", "git": "x"}, "module": "x:app"}, ["source has path and git"]),
    "a reference that does not exist": (reference_that_does_not_exist, ["'v1.4.3'", "the nearest are v1.4.2"]),
    "a lock of another project": (lock_of_another_project, ["uv.lock does not match its project"]),
    "a lock with a wrong hash": (lock_with_a_wrong_hash, ["with pylock.toml", "DO NOT MATCH THE HASHES"]),
    "a package of a repository": (
        package_of_a_repository,
        [
            "requirements.txt has 'waitress @ git+https://github.com/Pylons/waitress.git@v3.0.0', a repository",
            "pip wheel",
        ],
    ),
    "a package that Debian does not have": (
        lambda _: {"source": {"package": "werkzeug==3.1.3"}, "module": "x:app", "system_packages": ["libnothing9"]},
        ["(libnothing9) cannot be installed", "No package matching 'libnothing9'"],
    ),
    "a package that no index has": (
        lambda _: {"source": {"package": "emperor-flask-no-such-package==1"}, "module": "x:app"},
        ["with emperor-flask-no-such-package==1", "No matching distribution"],
    ),
}


@pytest.mark.parametrize(("make", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_leaves_nothing_behind(host, tmp_path, make, words):
    listing = f"cd {HOME} && find . -maxdepth 2 ! -name '*.sock' -printf '%p %l\\n' | sort"
    before = host.check_output(listing)
    status, output, changed = play(tmp_path, **make(tmp_path))
    assert status != 0
    assert [word for word in [f"app '{NAME}'", *words] if word not in output] == [], output
    assert set(changed) == {"0"}
    assert host.check_output(listing) == before
    assert answer(host)
