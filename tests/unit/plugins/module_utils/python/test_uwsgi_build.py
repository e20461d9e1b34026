"""uWSGI's trees on a host: which are missing, what a failure leaves, what a wheel needs. pip and uWSGI are stand-ins."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.module_utils.python import uwsgi_build
from ansible_collections.emperor.flask.plugins.module_utils.python.uwsgi_build import (
    ask_version,
    changing,
    look,
    plan,
)
from hypothesis import given
from hypothesis import strategies as st

FILE = "pyuwsgi-2.0.31-cp313-cp313-linux_x86_64.whl"
MODULE = "pyuwsgi.cpython-313-x86_64-linux-gnu.so"
# Answers its version and its headers' place; "-m venv" copies it into the new tree. "-m pip download" there gets the source distribution,
# "-m pip wheel" makes a wheel whose module does what $PIP says, "-m pip install" unpacks that, and uWSGI's script runs it.
PYTHON = """#!/bin/sh
for last; do :; done
tree="${{0%/bin/python}}"
modules="$tree/lib/python{version}/site-packages"
case "$*" in
*version_info*) echo {version} ;;
*Python.h*) echo "$HEADERS" ;;
"-m venv "*) mkdir -p "$3/bin" "$3/lib/python{version}/site-packages" && cp "$0" "$3/bin/python" ;;
*" download "*)
  cp "$last/requirements.txt" "$PIP_LOG"
  mkdir "$last/made" "$last/made/uwsgi"
  printf 'setup(\\n    entry_points={{\\n        1: 2,\\n    }},\\n)\\n' >"$last/made/uwsgi/setup.pyuwsgi.py"
  tar -czf "$last/uwsgi.tar.gz" -C "$last/made" uwsgi ;;
*" wheel "*)
  [ "$PIP" != fails ] || {{ echo "gcc: error: no space left"; exit 1; }}
  cp "$last/setup.py" "$PIP_LOG.setup"
  "$REAL" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").writestr(*sys.argv[2:])' "$last/../{file}" {module} "$PIP" ;;
*" install "*) "$REAL" -m zipfile -e "$last" "$modules" ;;
"-I $tree/bin/uwsgi --version") sh "$modules/{module}" ;;
esac
"""
ANSWERS = "echo 2.0.31"


class Host:
    """A folder for the trees, interpreters on demand, and what pip does next."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.root = folder, folder / "uwsgi"
        self._monkeypatch = monkeypatch
        self.pip(ANSWERS)
        self.headers(sys.executable)
        monkeypatch.setenv("REAL", sys.executable)
        monkeypatch.setenv("PIP_LOG", str(folder / "requirements.seen"))

    def pip(self, outcome: str) -> None:
        """Let the build fail, or make a uWSGI that does this."""
        self._monkeypatch.setenv("PIP", outcome)

    def headers(self, path: str) -> None:
        """Let the interpreters name this file as their Python.h."""
        self._monkeypatch.setenv("HEADERS", path)

    def python(self, version: str, name: str = "") -> str:
        path = self.folder / (name or f"python{version}")
        path.write_text(PYTHON.format(version=version, file=FILE, module=MODULE))
        path.chmod(0o755)
        return str(path)

    def plan(self, *pythons: str) -> list[uwsgi_build.Build]:
        return plan(str(self.root), "2.0.31", list(pythons))

    def build(self, *pythons: str) -> list[dict]:
        """Build for each of these, as the module does for one."""
        results = []
        for number, build in enumerate(self.plan(*pythons)):
            folder = self.folder / f"wheels{len(os.listdir(self.folder))}-{number}"
            folder.mkdir()
            with changing(self.plan(*pythons)):
                results.append(build.build("c0ffee", str(folder)))
        return results


def packed(path: Path, does: str = ANSWERS, **members: zipfile.ZipInfo | str) -> str:
    """Write a wheel whose program does this; more members by name, or described."""
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(MODULE, does)
        for name, member in members.items():
            wheel.writestr(member, name)
    return str(path)


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    """A member of an archive, with its mode."""
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(os, "umask", lambda _mode: 0)
    monkeypatch.setattr(uwsgi_build, "NOBODY", {})  # who could not enter pytest's folders
    monkeypatch.setattr(uwsgi_build, "_kind", lambda: "debian-13-amd64")
    monkeypatch.setattr(uwsgi_build, "libraries", lambda _binary: [])
    monkeypatch.setattr(uwsgi_build, "packages", lambda _paths: ["libc6"])
    return Host(tmp_path, monkeypatch)


def test_a_real_interpreter_is_asked() -> None:
    assert ask_version(sys.executable) == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_look_at_a_bare_host_names_every_tree_with_its_kind_and_makes_none(host: Host) -> None:
    new, old = host.python("3.13"), host.python("3.11")
    assert look(host.plan(new, old)) == {
        "missing": [
            {"path": str(host.root / "pyuwsgi-2.0.31-python3.13"), "python": new, "kind": "debian-13-amd64-python3.13"},
            {"path": str(host.root / "pyuwsgi-2.0.31-python3.11"), "python": old, "kind": "debian-13-amd64-python3.11"},
        ],
        "relink": True,
    }
    assert not host.root.exists()


def test_two_names_of_one_python_share_a_tree(host: Host) -> None:
    assert len(host.plan(host.python("3.13"), host.python("3.13", "python3"))) == 1


def test_a_build_leaves_a_tree_and_says_what_its_wheel_is(host: Host) -> None:
    python = host.python("3.13")
    (built,) = host.build(python)
    assert built["sha256"] == sha256(built["wheel"])
    assert built["packages"] == ["libc6"]
    assert os.stat(built["wheel"]).st_mode & 0o777 == 0o644
    assert (host.folder / "requirements.seen").read_text() == "uwsgi==2.0.31 --hash=sha256:c0ffee\n"
    assert look(host.plan(python)) == {"missing": [], "relink": False}


def test_a_wheel_makes_the_tree_of_another_host_without_a_build(host: Host) -> None:
    python = host.python("3.13")
    (built,) = host.build(python)
    shutil.rmtree(host.root)
    host.pip("fails")
    (build,) = host.plan(python)
    with changing([build]):
        build.install(built["wheel"], built["sha256"])
    assert look([build]) == {"missing": [], "relink": False}


def test_a_wheel_of_another_checksum_is_refused(host: Host) -> None:
    wheel = packed(host.folder / FILE)
    (build,) = host.plan(host.python("3.13"))
    with pytest.raises(Refusal, match=r"pyuwsgi-.*\.whl arrived damaged"):
        build.install(wheel, "0" * 64)
    assert not build.complete


def test_a_wheel_that_does_not_run_here_leaves_nothing_and_says_what_to_do(host: Host) -> None:
    wheel = packed(host.folder / FILE, "echo 'libpython3.13.so.1.0: cannot open shared object file'; exit 127")
    (build,) = host.plan(host.python("3.13"))
    with pytest.raises(Refusal, match="does not run here; .* uwsgi_emperor_cache:\nlibpython3.13"), changing([build]):
        build.install(wheel, sha256(wheel))
    assert os.listdir(host.root) == []


@pytest.mark.parametrize(
    "name",
    [
        "evil.pth",
        "sitecustomize.py",
        "pip.cpython-313-x86_64-linux-gnu.so",
        "pyuwsgi/__init__.py",
        "pyuwsgi-2.0.31.data/scripts/python",
        "pyuwsgi-2.0.31.data/data/bin/python",
        "pyuwsgi-2.0.31.data/purelib/evil.pth",
        "pyuwsgi-2.0.31.dist-info/entry_points.txt",
        "pyuwsgi-2.0.31.dist-info/../evil.pth",
        "pyuwsgi-2.0.30.dist-info/METADATA",
        "../../../etc/cron.d/evil",
        "/etc/cron.d/evil",
        "pyuwsgi-2.0.31.dist-info/",
        member("uwsgidecorators.py", 0o120777),
        member("uwsgidecorators.py", 0o104755),
        member("uwsgidecorators.py", 0o102755),
        member("uwsgidecorators.py", 0o020644),
    ],
    ids=str,
)
def test_a_wheel_with_anything_in_it_that_no_build_makes_is_refused_before_it_is_unpacked(
    host: Host, name: zipfile.ZipInfo | str
) -> None:
    wheel = packed(host.folder / FILE, "touch ran", content=name)
    (build,) = host.plan(host.python("3.13"))
    with (
        pytest.raises(Refusal, match="which no build of uWSGI 2.0.31 makes as it is; look at the host"),
        changing([build]),
    ):
        build.install(wheel, sha256(wheel))
    assert os.listdir(host.root) == []


def test_what_a_build_of_uwsgi_makes_is_taken(tmp_path: Path) -> None:
    """The members of real wheels of uWSGI, and what other versions of setuptools call them."""
    info = "pyuwsgi-2.0.31.dist-info"
    texts = ["METADATA", "WHEEL", "RECORD", "top_level.txt", "LICENSE", "licenses/LICENSE"]
    names = [
        "uwsgidecorators.py",
        *(f"{info}/{text}" for text in texts),
    ]
    more = {str(number): member(name) for number, name in enumerate(names)}
    uwsgi_build.check(packed(tmp_path / FILE, **more), "2.0.31")
    (tmp_path / "no.whl").write_text("no zip")
    with pytest.raises(Refusal, match="no.whl is not a wheel"):
        uwsgi_build.check(str(tmp_path / "no.whl"), "2.0.31")


@pytest.fixture
def foreign() -> Iterator[Path]:
    """A program of another host's, where nobody can run it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        program = Path(folder, "uwsgi")
        program.touch(0o755)
        yield program


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_program_of_another_host_is_nobody_with_no_group_and_no_way_to_more(foreign: Path) -> None:
    foreign.write_text(
        "#!/bin/sh\nid -u; id -G; env | sort; pwd; grep NoNewPrivs /proc/self/status; "
        "grep CapEff /proc/self/status; touch /root/ran 2>/dev/null || echo refused\n"
    )
    said = uwsgi_build.ask([str(foreign)]).split()
    assert said[:2] == ["65534", "65534"]
    assert {word.partition("=")[0] for word in said if "=" in word} <= {"LC_ALL", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert said[-6:] == ["/", "NoNewPrivs:", "1", "CapEff:", "0" * 16, "refused"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_program_of_another_host_cannot_hold_a_run_up_or_fill_its_disk(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign.write_text("#!/bin/sh\nsetsid sleep 5 &\necho 2.0.31\n")  # it keeps standard output open
    assert uwsgi_build.ask([str(foreign)]) == "2.0.31\n"
    foreign.write_text("#!/bin/sh\nexec head -c 2000000 /dev/zero\n")
    with pytest.raises(CommandFailed):
        uwsgi_build.ask([str(foreign)])
    monkeypatch.setattr(uwsgi_build, "PATIENCE", 0.2)
    foreign.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1000; done\n")
    with pytest.raises(CommandFailed, match="it did not end within"):
        uwsgi_build.ask([str(foreign)])


def test_a_complete_tree_is_not_touched_even_if_it_is_built_for_the_others(host: Host) -> None:
    python = host.python("3.13")
    host.build(python)
    host.pip("echo another")
    (built,) = host.build(python)
    assert zipfile.ZipFile(built["wheel"]).read(MODULE) == b"echo another"
    assert "another" not in Path(host.plan(python)[0].binary).read_text()


def test_current_names_the_first_tree_and_then_stays(host: Host) -> None:
    old, new = host.python("3.11"), host.python("3.13")
    host.build(old)
    host.build(new, old)
    assert os.readlink(host.root / "current") == "pyuwsgi-2.0.31-python3.11"
    host.build(new)
    assert os.readlink(host.root / "current") == "pyuwsgi-2.0.31-python3.13"
    assert sorted(os.listdir(host.root)) == ["current", "pyuwsgi-2.0.31-python3.11", "pyuwsgi-2.0.31-python3.13"]


def test_current_waits_until_every_tree_is_there(host: Host) -> None:
    pythons = [host.python("3.13"), host.python("3.11")]
    builds = host.plan(*pythons)
    for build, current in [(builds[1], False), (builds[0], True)]:
        folder = host.folder / build.python_version
        folder.mkdir()
        with changing(builds):
            build.build("c0ffee", str(folder))
        assert (host.root / "current").exists() is current


def test_a_failed_build_shows_its_last_lines_and_leaves_nothing(host: Host) -> None:
    host.pip("fails")
    with pytest.raises(Refusal, match="cannot be built for .*python3.13:\n.*no space left"):
        host.build(host.python("3.13"))
    assert os.listdir(host.root) == []


def test_an_interpreter_without_headers_is_named_before_anything_is_built(host: Host) -> None:
    host.headers("/nowhere/Python.h")
    with pytest.raises(Refusal, match="python3.13' has no headers .*/nowhere/Python.h.*-dev package"):
        host.build(host.python("3.13"))
    assert os.listdir(host.root) == []


def test_a_uwsgi_that_is_another_version_is_refused(host: Host) -> None:
    host.pip("echo 2.0.30")
    with pytest.raises(Refusal, match="uWSGI '2.0.30', not 2.0.31"):
        host.build(host.python("3.13"))
    assert os.listdir(host.root) == []


def test_a_tree_left_by_a_run_that_died_is_made_anew(host: Host) -> None:
    python = host.python("3.13")
    host.build(python)
    (build,) = host.plan(python)
    os.unlink(os.path.join(build.path, uwsgi_build.COMPLETE))
    Path(build.path, "left-over").touch()
    host.build(python)
    assert build.complete
    assert not Path(build.path, "left-over").exists()


@pytest.mark.parametrize(("version", "reason"), [("3.7", "is Python 3.7; needed is 3.8"), (None, "does not run")])
def test_an_unfit_interpreter_is_named(host: Host, version: str | None, reason: str) -> None:
    python = host.python(version) if version else str(host.folder / "python9")
    with pytest.raises(Refusal, match=f"'{python}' {reason}"):
        host.plan(python)


def test_no_interpreter_is_a_mistake(host: Host) -> None:
    with pytest.raises(Refusal, match="no interpreter"):
        host.plan()


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian or Ubuntu")
def test_the_packages_of_a_real_program_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        monkeypatch.setattr(uwsgi_build, "NOBODY", {})
    assert "libc6" in uwsgi_build.packages(uwsgi_build.libraries("/bin/sh"))


names = st.from_regex(r"[a-z0-9][a-z0-9.+-]{1,12}", fullmatch=True)


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=3), st.sampled_from(["", ":amd64"]))), st.booleans())
def test_packages_are_read_whatever_else_dpkg_says(owned: list[tuple[list[str], str]], some_unknown: bool) -> None:
    """Several owners of a file, with and without an architecture, beside diversions and files of no package."""
    lines = [f"{', '.join(name + suffix for name in owners)}: /lib/lib.so" for owners, suffix in owned]
    lines += [
        "diversion by libc6 from: /lib/ld.so",
        "dpkg-query: no path found matching pattern /opt/python/libpython.so",
    ]

    def answer(argv: list[str]) -> str:
        if some_unknown:
            raise CommandFailed(argv, 1, "\n".join(lines))
        return "\n".join(lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uwsgi_build, "run", answer)
        assert uwsgi_build.packages(["/lib/lib.so"]) == sorted({name for owners, _ in owned for name in owners})
