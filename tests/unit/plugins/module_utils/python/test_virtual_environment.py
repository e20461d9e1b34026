"""A virtual environment has a pip of its own, wherever that comes from."""

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.python import virtual_environment

VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PACKAGES = f"lib/{VERSION}/site-packages"


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """What the role uwsgi_emperor leaves: a tree that was made to the end, and one that was not."""
    trees = tmp_path_factory.mktemp("uwsgi")
    for name in ("pyuwsgi-2.0.31", "pyuwsgi-2.0.32"):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", trees / f"{name}-{VERSION}"], check=True)
    tree = trees / f"pyuwsgi-2.0.31-{VERSION}"
    subprocess.run([tree / "bin/python", "-m", "ensurepip", "--default-pip"], check=True)
    (tree / PACKAGES / "pyuwsgi.so").touch()
    (tree / PACKAGES / "uwsgidecorators.py").touch()
    (tree / ".complete").touch()
    return trees


def made(path, trees):
    """A virtual environment, and what it has beside Python."""
    subprocess.run(virtual_environment.make(sys.executable, str(path), str(trees)), check=True)
    return sorted(entry.name for entry in (path / PACKAGES).iterdir())


def says(path, *command):
    """What a command prints in a virtual environment."""
    return subprocess.run([path / "bin" / command[0], *command[1:]], check=True, capture_output=True, text=True).stdout


def test_its_pip_is_that_of_uwsgis_tree_without_uwsgi(trees, tmp_path):
    has = made(tmp_path / "venv", trees)
    assert not [name for name in has if "uwsgi" in name]
    tree = trees / f"pyuwsgi-2.0.31-{VERSION}" / PACKAGES
    assert has == sorted(entry.name for entry in tree.iterdir() if "uwsgi" not in entry.name)
    assert str(tmp_path / "venv" / PACKAGES) in says(tmp_path / "venv", "pip", "--version")
    assert str(tmp_path / "venv" / PACKAGES) in says(tmp_path / "venv", "python", "-m", "pip", "--version")
    assert Path(says(tmp_path / "venv", "python", "-c", "import sys; print(sys.prefix)").strip()) == tmp_path / "venv"


def test_without_such_a_tree_it_is_the_one_that_python_brings(tmp_path):
    assert "pip" in made(tmp_path / "venv", tmp_path / "no such folder")
    assert says(tmp_path / "venv", "pip", "--version")
