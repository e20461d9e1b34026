"""README's commands, typed in a fresh clone as a stranger would. They make the host emperor-demo and take it away again."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORT = "18080"  # DEMO_PORT: not README's 8080, which may be in use where this runs
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading, language):
    """The fenced blocks of a language under a heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL).group(1)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A fresh clone of what is committed."""
    folder = tmp_path_factory.mktemp("stranger") / "emperor.flask"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    yield folder
    subprocess.run(["make", "--silent", "demo-clean"], cwd=folder, check=True)


def typed(command, folder):
    """What a command prints; a failure shows it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment["DEMO_PORT"] = PORT
    environment["PATH"] = environment["PATH"].replace(f"{ROOT}/.venv/bin:", "")
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    print(done.stdout)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-3000:]}"
    return done.stdout


def test_the_demo_and_an_app_of_ones_own(clone):
    demo, own, clean = blocks("Try it", "sh")
    (apps,) = blocks("Try it", "yaml")
    typed(clean, clone)
    assert f"http://127.0.0.1:{PORT}/ answers: Hello World!" in typed(demo, clone)
    again = typed(demo, clone)
    assert "answers: Hello World!" in again
    assert re.search(r"emperor-demo +: .*changed=0 ", again)
    (clone / "my-apps.yml").write_text(apps, encoding="utf-8")
    typed(own, clone)
    asked = "docker exec emperor-demo curl --silent --header 'Host: echo.test' http://127.0.0.1/environment"
    assert typed(asked, clone) == "anything"
    typed(clean, clone)


def test_the_benchmarks_run(clone):
    output = typed("make benchmark FAST=1", clone)
    measured = re.findall(r"^(.+): [0-9.]+ s$", output, re.MULTILINE)
    assert measured == ["ansible -m ping", "play for nginx alone", "site"]
