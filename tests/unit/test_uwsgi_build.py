"""Builds of uWSGI: which are missing, what a failure leaves, who wins when two runs meet. pip and uWSGI are stand-ins."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import uwsgi_build
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.uwsgi_build import ask_version, make, missing, plan

# Answers its version; "-m venv" copies it into the new tree, and "-m pip install" there makes bin/uwsgi of what $PIP says.
PYTHON = """#!/bin/sh
case "$*" in
*version_info*) echo {version} ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*" install "*)
  for last; do :; done
  cp "$last" "$PIP_LOG"
  [ "$PIP" != fails ] || {{ echo "gcc: Python.h: No such file or directory"; exit 1; }}
  printf '#!/bin/sh\\necho %s\\n' "$PIP" > "${{0%/*}}/uwsgi" && chmod 755 "${{0%/*}}/uwsgi" ;;
esac
"""


class Host:
    """A folder for the trees, interpreters on demand, and what pip does next."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.root = folder, folder / "uwsgi"
        self._monkeypatch = monkeypatch
        self.pip("2.0.31")
        monkeypatch.setenv("PIP_LOG", str(folder / "requirements.seen"))

    def pip(self, outcome: str) -> None:
        """Let the build fail, or make a uWSGI that answers with this version."""
        self._monkeypatch.setenv("PIP", outcome)

    def python(self, version: str, name: str = "") -> str:
        path = self.folder / (name or f"python{version}")
        path.write_text(PYTHON.format(version=version))
        path.chmod(0o755)
        return str(path)

    def plan(self, *pythons: str) -> list[uwsgi_build.Build]:
        return plan(str(self.root), "2.0.31", list(pythons))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(os, "umask", lambda _mode: 0)
    return Host(tmp_path, monkeypatch)


def test_a_real_interpreter_is_asked() -> None:
    assert ask_version(sys.executable) == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_query_of_a_bare_host_names_every_tree_and_makes_none(host: Host) -> None:
    builds = host.plan(host.python("3.13"), host.python("3.11"))
    trees = [str(host.root / "2.0.31-python3.13"), str(host.root / "2.0.31-python3.11")]
    assert missing(builds) == {"missing": trees, "relink": True}
    assert not host.root.exists()


def test_two_names_of_one_python_share_a_tree(host: Host) -> None:
    assert len(host.plan(host.python("3.13"), host.python("3.13", "python3"))) == 1


def test_what_is_built_is_not_built_again(host: Host) -> None:
    builds = host.plan(host.python("3.13"))
    assert make(builds, "c0ffee")["built"] == [builds[0].path]
    assert (host.folder / "requirements.seen").read_text() == "uwsgi==2.0.31 --hash=sha256:c0ffee\n"
    host.pip("fails")
    assert make(builds, "c0ffee") == {"missing": [], "relink": False, "built": []}


def test_current_names_the_first_tree_and_then_stays(host: Host) -> None:
    old, new = host.python("3.11"), host.python("3.13")
    make(host.plan(old), "c0ffee")
    make(host.plan(new, old), "c0ffee")
    assert os.readlink(host.root / "current") == "2.0.31-python3.11"
    make(host.plan(new), "c0ffee")
    assert os.readlink(host.root / "current") == "2.0.31-python3.13"
    assert sorted(os.listdir(host.root)) == ["2.0.31-python3.11", "2.0.31-python3.13", "current"]


def test_a_failed_build_shows_its_last_lines_and_leaves_nothing(host: Host) -> None:
    host.pip("fails")
    with pytest.raises(Refusal, match="cannot be built for .*python3.13:\n.*Python.h"):
        make(host.plan(host.python("3.13")), "c0ffee")
    assert os.listdir(host.root) == []


def test_a_uwsgi_that_is_another_version_is_refused(host: Host) -> None:
    host.pip("2.0.30")
    with pytest.raises(Refusal, match="uWSGI '2.0.30', not 2.0.31"):
        make(host.plan(host.python("3.13")), "c0ffee")
    assert os.listdir(host.root) == []


def test_a_tree_left_by_a_run_that_died_is_built_anew(host: Host) -> None:
    (build,) = host.plan(host.python("3.13"))
    make([build], "c0ffee")
    os.unlink(os.path.join(build.path, uwsgi_build.COMPLETE))
    Path(build.path, "left-over").touch()
    assert make([build], "c0ffee")["built"] == [build.path]
    assert not Path(build.path, "left-over").exists()


@pytest.mark.parametrize(("version", "reason"), [("3.7", "is Python 3.7; needed is 3.8"), (None, "does not run")])
def test_an_unfit_interpreter_is_named(host: Host, version: str | None, reason: str) -> None:
    python = host.python(version) if version else str(host.folder / "python9")
    with pytest.raises(Refusal, match=f"'{python}' {reason}"):
        host.plan(python)


def test_no_interpreter_is_a_mistake(host: Host) -> None:
    with pytest.raises(Refusal, match="no interpreter"):
        host.plan()
