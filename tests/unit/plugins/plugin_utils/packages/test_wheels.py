"""The controller's cache of wheels, and the action that lets one host of a kind build. The hosts are stand-ins."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.emperor.flask.plugins.action import uwsgi_build
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import wheels
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.wheels import Wheel, slot
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import default_cache
from hypothesis import given
from hypothesis import strategies as st

FILE = "pyuwsgi-2.0.31-cp313-cp313-linux_x86_64.whl"
KIND = "debian-13-amd64-python3.13"
CHECKSUM = "e8f8b350ccc106ff"


def wheel(content: bytes, *packages: str) -> Wheel:
    return Wheel(FILE, hashlib.sha256(content).hexdigest(), list(packages), "web1")


def keep(place, content: bytes, *packages: str) -> None:
    """Fill a place of the cache as a host does that has built."""
    with place.claimed("web1", print):
        place.keep(wheel(content, *packages), lambda path: Path(path).write_bytes(content))


@pytest.fixture
def place(tmp_path):
    return slot(tmp_path, "2.0.31", CHECKSUM, KIND)


def test_what_was_kept_is_read(place):
    assert place.read() is None
    keep(place, b"wheel", "libc6", "libpcre2-8-0")
    assert place.read() == wheel(b"wheel", "libc6", "libpcre2-8-0")
    assert place.path(place.read()).read_bytes() == b"wheel"
    assert set(os.listdir(place.folder)) == {FILE, "manifest.json", "lock"}


@given(st.lists(st.tuples(st.sampled_from(["keep", "die", "spoil", "tear"]), st.binary(min_size=1))))
def test_whatever_happens_to_the_cache_only_a_wheel_that_was_kept_whole_is_read(events):
    """Runs that keep a wheel, that die while they fetch it, and disks that change or cut off a file, in any order."""
    with tempfile.TemporaryDirectory() as folder:
        place = slot(Path(folder), "2.0.31", CHECKSUM, KIND)
        kept = set()
        for event, content in events:
            if event == "keep":
                keep(place, content)
                kept.add(content)
            elif event == "die":
                with pytest.raises(KeyboardInterrupt), place.claimed("web1", print):
                    place.keep(wheel(content), _dies)
            elif event == "spoil" and (place.folder / FILE).exists():
                (place.folder / FILE).write_bytes(content)
            elif event == "tear" and (place.folder / "manifest.json").exists():
                whole = (place.folder / "manifest.json").read_bytes()
                (place.folder / "manifest.json").write_bytes(whole[: len(content) % (len(whole) + 1)])
            try:
                found = place.read()
            except Refusal:
                continue
            assert found is None or place.path(found).read_bytes() in kept


def _dies(path: str) -> None:
    Path(path).write_bytes(b"half")
    raise KeyboardInterrupt


def test_a_wheel_that_arrives_damaged_is_not_kept(place):
    with pytest.raises(Refusal, match="arrived damaged"), place.claimed("web1", print):
        place.keep(wheel(b"sent"), lambda path: Path(path).write_bytes(b"arrived"))
    assert place.read() is None


parts = st.from_regex(r"[a-z0-9][a-z0-9.]{0,8}", fullmatch=True)


@given(*[st.tuples(parts, parts, parts, parts, parts)] * 2)
def test_hosts_that_differ_in_anything_never_share_a_place(one, other):
    """Version, distribution, release, architecture and Python: none of them has a dash in it."""

    def folder(version, distribution, release, architecture, python):
        return slot(Path("/cache"), version, CHECKSUM, f"{distribution}-{release}-{architecture}-python{python}").folder

    assert (folder(*one) == folder(*other)) == (one == other)


@pytest.mark.parametrize("kind", ["../../.ssh", "a/b", "", ".", "..", "a\nb"])
def test_a_host_cannot_choose_another_folder(tmp_path, kind):
    with pytest.raises(Refusal):
        slot(tmp_path, "2.0.31", CHECKSUM, kind)


@pytest.mark.parametrize(
    ("file", "package"),
    [("../evil.whl", "libc6"), (FILE, "https://evil.example/x.deb"), (FILE, "--reinstall"), (FILE, "libc6=1")],
)
def test_a_host_cannot_have_other_things_installed(file, package):
    with pytest.raises(Refusal):
        Wheel(file, "0" * 64, [package])


def test_the_cache_is_where_xdg_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == tmp_path / ".cache/emperor.flask"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_cache() == tmp_path / ".cache/emperor.flask"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ci")
    assert default_cache() == Path("/var/cache/ci/emperor.flask")


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    place = slot(tmp_path / "file", "2.0.31", CHECKSUM, KIND)
    with (
        pytest.raises(Refusal, match=f"kept in {place.folder}: .*set uwsgi_emperor_cache"),
        place.claimed("web1", print),
    ):
        pass


class Fleet(uwsgi_build.ActionModule):
    """The action on one host of a fleet that is a folder: a file ``<host>.log`` has a line for everything the host was asked."""

    def __init__(self, folder: Path, name: str, kinds: tuple[str, ...] = (KIND,), check_mode: bool = False) -> None:
        self.folder, self.name, self.kinds = folder, name, kinds
        arguments = {
            "version": "2.0.31",
            "checksum": CHECKSUM,
            "pythons": list(kinds),
            "cache": str(folder / "cache"),
            "build_packages": ["gcc"],
        }
        self._task = SimpleNamespace(
            args=arguments, check_mode=check_mode, async_val=0, action="uwsgi_build", diff=False
        )
        self._templar = self._loader = None  # the cache's folder is absolute here
        shell = SimpleNamespace(join_path=os.path.join, tmpdir=None)
        self._connection = SimpleNamespace(fetch_file=self._fetch, _shell=shell)

    def run(self, tmp=None, task_vars=None):
        return super().run(task_vars={"inventory_hostname": self.name, "inventory_dir": str(self.folder)})

    @property
    def log(self) -> list[str]:
        path = self.folder / f"{self.name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def _say(self, what: str) -> None:
        with open(self.folder / f"{self.name}.log", "a", encoding="utf-8") as log:
            log.write(what + "\n")

    def _execute_module(self, module_name, module_args, task_vars):
        module_args = module_args["request"]
        step, root = module_args["step"], self.folder / self.name
        packages = module_args.get("packages", [])
        self._say(" ".join([step, module_args.get("python") or "", *(["with", *packages] if packages else [])]).strip())
        if step == "look":
            trees = [{"path": str(root / kind), "python": kind, "kind": kind} for kind in self.kinds]
            return {
                "missing": [tree for tree in trees if not os.path.exists(tree["path"])],
                "relink": not root.exists(),
            }
        root.mkdir(exist_ok=True)
        if step == "build":
            if (self.folder / "broken").exists():
                return {"failed": True, "msg": "gcc: error"}
            time.sleep(0.2)
            (root / "new.whl").write_bytes(b"wheel")
            (root / module_args["python"]).write_bytes(b"wheel")
            return {
                "wheel": str(root / FILE),
                "sha256": hashlib.sha256(b"wheel").hexdigest(),
                "packages": ["libpcre2-8-0"],
            }
        if step == "install":
            (root / module_args["python"]).write_bytes((root / "new.whl").read_bytes())
        return {}

    def _make_tmp_path(self, remote_user=None):
        return str(self.folder / self.name)

    def _remove_tmp_path(self, tmp_path, force=False):
        pass

    def _fetch(self, _remote, local):
        Path(local).write_bytes((self.folder / self.name / "new.whl").read_bytes())

    def _transfer_file(self, local_path, remote_path):
        (self.folder / self.name).mkdir(exist_ok=True)
        (self.folder / self.name / "new.whl").write_bytes(Path(local_path).read_bytes())


def at_once(hosts: list[Fleet]) -> None:
    """Run the action on all hosts at the same time, each in a process of its own, as Ansible does."""
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=host.run) for host in hosts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * len(workers)


def test_of_hosts_that_start_at_once_one_builds_and_the_others_have_no_compiler(tmp_path):
    hosts = [Fleet(tmp_path, f"web{number}") for number in range(4)]
    at_once(hosts)
    builders = [host for host in hosts if f"build {KIND} with gcc" in host.log]
    assert [host.log for host in builders] == [["look", f"build {KIND} with gcc"]]
    for host in hosts:
        assert (tmp_path / host.name / KIND).read_bytes() == b"wheel"
        if host not in builders:
            assert host.log == ["look", f"install {KIND} with libpcre2-8-0"]


def test_every_kind_is_built_once_even_where_hosts_need_several_in_another_order(tmp_path):
    kinds = ("debian-12-amd64-python3.11", "debian-12-amd64-python3.12")
    hosts = [Fleet(tmp_path, f"web{number}", kinds if number % 2 else kinds[::-1]) for number in range(4)]
    at_once(hosts)
    assert sorted(line for host in hosts for line in host.log if line.startswith("build")) == [
        f"build {kind} with gcc" for kind in kinds
    ]


def test_an_unchanged_run_asks_each_host_once_and_builds_nothing(tmp_path):
    host = Fleet(tmp_path, "web1")
    assert host.run()["built"] == [str(tmp_path / "web1" / KIND)]
    before = len(host.log)
    result = host.run()
    assert (result["changed"], result["built"], result["shipped"]) == (False, [], [])
    assert host.log[before:] == ["look"]


def test_check_mode_only_looks(tmp_path):
    host = Fleet(tmp_path, "web1", check_mode=True)
    result = host.run()
    assert (result["changed"], result["missing"], result["built"]) == (True, [str(tmp_path / "web1" / KIND)], [])
    assert host.log == ["look"]
    assert not (tmp_path / "cache").exists()


def test_a_spoilt_wheel_is_never_shipped_but_built_anew(tmp_path):
    Fleet(tmp_path, "web1").run()
    (manifest,) = (tmp_path / "cache").glob("pyuwsgi/*/*/manifest.json")
    (manifest.parent / FILE).write_bytes(b"spoilt")
    second = Fleet(tmp_path, "web2")
    assert second.run()["built"]
    assert json.loads(manifest.read_text())["built_on"] == "web2"
    assert Fleet(tmp_path, "web3").run()["shipped"]
    assert (tmp_path / "web3" / KIND).read_bytes() == b"wheel"


def test_a_host_that_fails_to_build_leaves_the_place_to_the_next(tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(AnsibleActionFail, match="gcc: error"):
        Fleet(tmp_path, "web1").run()
    (tmp_path / "broken").unlink()
    assert Fleet(tmp_path, "web2").run()["built"]


def test_the_wheels_of_apps_are_apart_and_go_when_nobody_has_used_them_for_a_month(tmp_path):
    old, other = (wheels.slot_of_app(tmp_path, app, "0ld", "debian-13-x86_64-python3.13") for app in ("shop", "cart"))
    month_ago = time.time() - wheels.MONTH - 60
    for place in (old, other):
        os.utime(place.folder, (month_ago, month_ago))
    new = wheels.slot_of_app(tmp_path, "shop", "4e3", "debian-13-x86_64-python3.13")
    assert [place.folder.exists() for place in (old, other, new)] == [False, True, True]
    assert wheels.slot_of_app(tmp_path, "cart", "0ld", "debian-13-x86_64-python3.13") == other
