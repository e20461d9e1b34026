"""The stores: once per content, complete or not there. (Owners and modes are the host tests' matter: only root can give them.)"""

import dataclasses
import json
import os
import sys
import tarfile
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import commands
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import contents
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from sources import wheel
from unboxed import unbox

RELEASE = Release(
    "0123456789ab",
    "c0de",
    "c0de",
    "5e5e",
    {},
    "export A='1'\n",
    "[uwsgi]\n",
    "server {}\n",
    {"schema": 2},
)


# A build backend (PEP 517) that needs nothing from an index.
BACKEND = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "native-1.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr("native.py", "answer = 42\\n")
        info = "native-1.0.dist-info/"
        wheel.writestr(f"{info}METADATA", "Metadata-Version: 2.1\\nName: native\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}RECORD", "")
    return name
"""


@pytest.fixture
def layout(tmp_path, monkeypatch):
    unbox(monkeypatch, tmp_path)
    layout = Layout("shop", str(tmp_path))
    for folder in ("build", "code", "venvs", "releases"):
        (tmp_path / "var/www/shop" / folder).mkdir(parents=True)
    return layout


@pytest.fixture
def archive(tmp_path):
    code = tmp_path / "hello.py"
    code.write_text("app = 1\n")
    code.chmod(0o600)
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as tar:
        tar.add(code, "hello.py")
        tar.add(code, "broken.py")
    return str(tmp_path / "code.tar.gz")


def listed(path):
    return sorted(entry.name for entry in Path(path).iterdir())


def test_code_is_unpacked_compiled_and_readable_once(layout, archive):
    assert contents.stage_code(layout, RELEASE, archive, sys.executable)
    code = Path(layout.code("c0de"))
    assert listed(code) == ["__pycache__", "broken.py", "hello.py"]
    assert (code / "hello.py").stat().st_mode & 0o777 == 0o644
    assert not contents.stage_code(layout, RELEASE, None, sys.executable)


def test_code_that_cannot_be_unpacked_leaves_nothing(layout, tmp_path):
    (tmp_path / "half.tar.gz").write_bytes(b"no archive")
    with pytest.raises(Refusal, match="cannot be unpacked"):
        contents.stage_code(layout, RELEASE, str(tmp_path / "half.tar.gz"), sys.executable)
    assert listed(Path(layout.code("x")).parent) == []


def test_what_died_half_way_is_made_anew(layout, archive):
    half = Path(layout.code("c0de") + ".partial")
    half.mkdir()
    (half / "leftover").write_text("")
    contents.stage_code(layout, RELEASE, archive, sys.executable)
    assert "leftover" not in listed(layout.code("c0de"))


def test_a_virtual_environment_is_complete_or_not_there(layout, archive, tmp_path):
    contents.stage_code(layout, RELEASE, archive, sys.executable)
    os.mkdir(layout.venv("5e5e"))
    assert contents.stage_venv(layout, RELEASE, sys.executable)
    assert (Path(layout.venv("5e5e")) / "bin/python").exists()
    assert not contents.stage_venv(layout, RELEASE, sys.executable)


def test_packages_that_cannot_be_had_leave_nothing_and_are_named(layout, archive):
    contents.stage_code(layout, RELEASE, archive, sys.executable)
    release = dataclasses.replace(
        RELEASE,
        packages={
            "origin": "no-such-requirements.txt",
            "installs": [["--requirement", "no-such-requirements.txt"]],
        },
    )
    with pytest.raises(Refusal, match=r"cannot be made with no-such-requirements.txt"):
        contents.stage_venv(layout, release, sys.executable)
    assert not os.path.exists(layout.venv("5e5e"))


def test_flasks_instance_folder_is_a_link_to_what_survives_releases(layout):
    manifest = {"schema": 2, "shared": ["var/shop-instance"]}
    release = dataclasses.replace(RELEASE, manifest=manifest, instances=["var/shop-instance"])
    Path(layout.shared).mkdir()
    assert contents.stage_venv(layout, release, sys.executable)
    instance = Path(layout.venv("5e5e"), "var/shop-instance")
    assert os.readlink(instance) == f"{layout.shared}/var/shop-instance"
    assert listed(instance) == []


def test_what_is_built_is_built_in_a_copy_that_goes_away(layout, tmp_path):
    """setuptools writes shop.egg-info beside what it builds; code in a store must stay as it is."""
    wheel(tmp_path, "shop", "1.2", "app = 1\n", "x; python_version < '3'")
    with tarfile.open(tmp_path / "wheel.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "shop-1.2-py3-none-any.whl", "shop-1.2-py3-none-any.whl")
    contents.stage_code(layout, RELEASE, str(tmp_path / "wheel.tar.gz"), sys.executable)
    packages = {
        "installs": [["--no-deps", "--requirement", "made.txt"]],
        "texts": {"made.txt": "./shop-1.2-py3-none-any.whl\n"},
        "uses_code": True,
    }
    assert contents.stage_venv(layout, dataclasses.replace(RELEASE, packages=packages), sys.executable)
    venv = Path(layout.venv("5e5e"))
    commands.run([str(venv / "bin/python"), "-c", "import shop"])
    assert (venv / "made.txt").exists()
    assert listed(layout.bench) == []


def test_wheels_are_built_on_one_host_and_all_that_another_installs(layout, archive, tmp_path, monkeypatch):
    wheel(tmp_path, "cart", "1.0", "app = 2\n", "x; python_version < '3'")
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["."]\n'
    )
    (project / "own.py").write_text(BACKEND)
    (project / "requirements.txt").write_text("./cart-1.0-py3-none-any.whl\n./\n")
    (tmp_path / "cart-1.0-py3-none-any.whl").rename(project / "cart-1.0-py3-none-any.whl")
    with tarfile.open(tmp_path / "project.tar.gz", "w:gz") as tar:
        for path in project.iterdir():
            tar.add(path, path.name)
    contents.stage_code(layout, RELEASE, str(tmp_path / "project.tar.gz"), sys.executable)
    packages = {"installs": [["--no-index", "--no-deps", "--requirement", "requirements.txt"]], "uses_code": True}
    release = dataclasses.replace(RELEASE, packages=packages)
    wheels = str(tmp_path / "wheels.tar")
    contents.build_wheels(layout, release, sys.executable, wheels)
    with tarfile.open(wheels) as tar:
        assert tar.getnames() == ["cart-1.0-py3-none-any.whl", "native-1.0-py3-none-any.whl"]
    assert listed(layout.venvs) == listed(layout.bench) == []
    monkeypatch.setenv("PIP_INDEX_URL", "https://nowhere.invalid/simple")
    Path(layout.code("c0de"), "own.py").write_text("raise SystemExit('nothing is built here')\n")
    assert contents.stage_venv(layout, release, sys.executable, wheels)
    commands.run([str(Path(layout.venv("5e5e"), "bin/python")), "-c", "import cart, native"])


def test_wheels_that_cannot_be_built_leave_nothing_and_say_why(layout, archive, tmp_path):
    contents.stage_code(layout, RELEASE, archive, sys.executable)
    packages = {"origin": "requirements.txt", "installs": [["--no-index", "no-such-package-of-ours"]]}
    with pytest.raises(Refusal, match="(?s)wheels cannot be made with requirements.txt:.*no-such-package-of-ours"):
        contents.build_wheels(
            layout, dataclasses.replace(RELEASE, packages=packages), sys.executable, str(tmp_path / "w")
        )
    assert listed(layout.venvs) == listed(layout.bench) == []
    assert not (tmp_path / "w").exists()


def test_an_app_without_code_has_an_empty_folder(layout, tmp_path):
    tarfile.open(tmp_path / "empty.tar.gz", "w:gz").close()
    assert contents.stage_code(layout, RELEASE, str(tmp_path / "empty.tar.gz"), sys.executable)
    assert listed(layout.code("c0de")) == []


def test_a_release_is_written_once(layout):
    assert contents.make_release(layout, RELEASE)
    folder = Path(layout.release(RELEASE.identity))
    assert listed(folder) == ["code", "env", "manifest.json", "nginx.conf", "uwsgi.ini", "venv"]
    assert os.readlink(folder / "code") == "../../code/c0de"
    assert json.loads((folder / "manifest.json").read_text()) == {"schema": 2}
    assert not contents.make_release(layout, RELEASE)
