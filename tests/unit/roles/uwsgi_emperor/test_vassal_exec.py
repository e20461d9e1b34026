"""What the inventory says in env and secrets arrives in the app byte by byte: quoted, sourced and executed for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.release.shell_exports import SHELL_NAMES, exports
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from render import ROLES

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True).filter(
    lambda name: name not in SHELL_NAMES and not name.startswith("UWSGI_") and name != "_"
)
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    st.text(st.sampled_from("%n$(x)@(/etc/hostname)`'\"\\ \n\t;&#=!*~")),
)
AWKWARD = "%n $(HOME) $HOME `id` @(/etc/hostname) %% ; # '\"\\ \n zwei \t\n"


class Vassal:
    """A vassal's ini and files, and a stand-in for uWSGI that writes down what it was started with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "vassal-exec"
        self.script.write_text((ROLES / "uwsgi_emperor/files/vassal-exec.sh").read_text())
        environment = folder / "app-environment"
        environment.write_text((ROLES / "uwsgi_emperor/files/app-environment.sh").read_text())
        environment.chmod(0o755)
        self.binary = folder / "uwsgi"
        self.binary.write_text(
            f"#!{sys.executable} -ISE\nimport json, os, sys\n"
            "json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[0] + '.seen', 'w'))\n"
            "import resource\n"
            "limits = [resource.getrlimit(one)[1] for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)]\n"
            "json.dump(limits, open(sys.argv[0] + '.limits', 'w'))\n"
        )
        self.binary.chmod(0o755)
        self.ini = folder / "r1.2.ini"

    def start(self, shell: str, env: dict[str, str], secrets: dict[str, str]) -> tuple[list[str], dict[str, str]]:
        """Return the arguments and the environment that uWSGI was started with."""
        for name, values in (("env", env), ("secrets", secrets)):
            (self.folder / name).write_text(exports(values), encoding="utf-8")
        head = {"uwsgi": self.binary, "env": self.folder / "env", "secrets": self.folder / "secrets"}
        self.ini.write_text("".join(f"; {key} = {value}\n" for key, value in head.items()) + "[uwsgi]\nenv = other\n")
        done = self.run(shell)
        assert done.returncode == 0, done.stderr
        arguments, environment = json.loads((self.folder / "uwsgi.seen").read_text())
        return arguments, environment

    def run(self, shell: str) -> subprocess.CompletedProcess[str]:
        """Run the wrapper as the Emperor does."""
        argv = [shell, str(self.script), "--ini", str(self.ini)]
        return subprocess.run(argv, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False)


@pytest.fixture
def vassal(tmp_path: Path) -> Vassal:
    return Vassal(tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(
    values={"A": AWKWARD, "EMPTY": "", "binary": "/bin/false", "ini": "x", "IFS": "ab", "PATH": "/nowhere", "file": "'"}
)
@given(values=st.dictionaries(NAMES, VALUES, max_size=5))
def test_every_value_arrives(vassal: Vassal, shell: str, values: dict[str, str]) -> None:
    arguments, environment = vassal.start(shell, values, {})
    assert arguments == ["--ini", str(vassal.ini)]
    assert {name: environment.get(name) for name in values} == values


@pytest.mark.parametrize("shell", SHELLS)
def test_secrets_arrive_beside_the_environment(vassal: Vassal, shell: str) -> None:
    _, environment = vassal.start(shell, {"A": "1"}, {"KEY": AWKWARD})
    assert (environment["A"], environment["KEY"]) == ("1", AWKWARD)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_vassal_knows_its_own_name_whatever_the_app_calls_its_variables(vassal: Vassal, shell: str) -> None:
    for env, secrets in (({}, {}), ({"vassal": "x", "IFS": "r1."}, {"ini": "y"})):
        _, environment = vassal.start(shell, env, secrets)
        assert environment["EMPEROR_VASSAL"] == "r1.2"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("gone", ["uwsgi", "env", "secrets"])
def test_a_missing_file_is_an_error_that_names_it(vassal: Vassal, shell: str, gone: str) -> None:
    vassal.start(shell, {}, {})
    (vassal.folder / gone).unlink()
    (vassal.folder / "uwsgi.seen").unlink()
    done = vassal.run(shell)
    assert done.returncode != 0
    assert str(vassal.folder / gone) in done.stderr
    assert not (vassal.folder / "uwsgi.seen").exists()


def test_a_limit_is_lowered_and_never_raised(vassal: Vassal) -> None:
    vassal.start("sh", {}, {})
    own = json.loads((vassal.folder / "uwsgi.limits").read_text())
    vassal.ini.write_text("; files = 300\n; bytes = 1048576\n" + vassal.ini.read_text())
    assert vassal.run("sh").returncode == 0
    assert json.loads((vassal.folder / "uwsgi.limits").read_text()) == [300, 1048576]
    vassal.ini.write_text("; files = 999999999\n" + vassal.ini.read_text().split("1048576\n", 1)[1])
    assert vassal.run("sh").returncode == 0
    assert json.loads((vassal.folder / "uwsgi.limits").read_text()) == own


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "Ä", "A\n", "UWSGI_MODULE", "OPTIND", "EMPEROR_VASSAL"])
def test_a_name_that_cannot_be_exported_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot"):
        exports({name: "x"})


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        exports({"A": "x\0"})
