"""What a build made becomes root's by a copy: nothing but files, folders and links, and nothing of the builder's beside their bytes."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.build_folder import adopt, bench
from unboxed import unbox


@pytest.fixture
def built(tmp_path):
    """What a build has left."""
    folder = tmp_path / "built"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/tool").write_text("#!/bin/sh\n")
    (folder / "bin/tool").chmod(0o4777)
    (folder / "data").write_text("data")
    (folder / "data").chmod(0o600)
    (folder / "bin").chmod(0o777)
    return folder


def test_modes_become_roots_and_times_stay(built, tmp_path):
    os.utime(built / "data", (1000, 1000))
    adopt(str(built), str(tmp_path / "adopted"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "adopted").rglob("*")}
    assert modes == {"bin": 0o755, "tool": 0o755, "data": 0o644}
    assert (tmp_path / "adopted/data").stat().st_mtime == 1000


def test_a_file_that_the_builder_still_holds_open_is_not_the_one_that_is_adopted(built, tmp_path):
    with (built / "data").open("a") as held:
        adopt(str(built), str(tmp_path / "adopted"))
        held.write("more")
    assert (tmp_path / "adopted/data").read_text() == "data"


def test_links_are_kept_as_they_are_and_none_is_followed(built, tmp_path):
    (built / "away").symlink_to("/etc")
    (built / "passwd").symlink_to("/etc/passwd")
    (built / "bin/__pycache__").symlink_to("/usr/lib")
    adopt(str(built), str(tmp_path / "adopted"))
    assert os.readlink(tmp_path / "adopted/away") == "/etc"
    assert os.readlink(tmp_path / "adopted/passwd") == "/etc/passwd"
    assert sorted(os.listdir(tmp_path / "adopted/bin")) == ["tool"]


def _socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


@pytest.mark.parametrize("make", [os.mkfifo, _socket], ids=["pipe", "socket"])
def test_what_is_no_file_is_refused_by_its_name(built, tmp_path, monkeypatch, make):
    monkeypatch.chdir(built)
    make("bin/odd")
    with pytest.raises(Refusal, match=r"the build made 'bin/odd', which is neither file nor folder nor link"):
        adopt(str(built), str(tmp_path / "adopted"))


def test_a_file_that_claims_more_than_the_disk_has_is_refused_before_it_is_copied(built, tmp_path):
    os.truncate(built / "data", 2**43)
    with pytest.raises(Refusal, match=r"MiB left and the release needs"):
        adopt(str(built), str(tmp_path / "adopted"))
    assert not (tmp_path / "adopted").exists()


def test_a_folder_that_becomes_a_link_meanwhile_leads_nowhere(built, tmp_path, monkeypatch):
    """Whoever holds a descriptor of a folder can exchange what is in it, while root copies."""
    real = os.open

    def exchanged(path, flags, *mode, dir_fd=None):
        if path == "bin" and not (built / "bin").is_symlink():
            (built / "bin").rename(built / "away")
            (built / "bin").symlink_to("/etc")
        return real(path, flags, *mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", exchanged)
    with pytest.raises(OSError, match="Not a directory|Too many levels"):
        adopt(str(built), str(tmp_path / "adopted"))
    assert not list((tmp_path / "adopted").rglob("passwd"))


def test_a_file_that_becomes_a_link_or_a_pipe_meanwhile_is_not_read(built, tmp_path, monkeypatch):
    real = os.open
    for number, put in enumerate((lambda path: os.symlink("/etc/passwd", path), os.mkfifo)):

        def exchanged(path, flags, *mode, dir_fd=None, put=put):
            if path == "data":
                os.unlink(built / "data")
                put(str(built / "data"))
            return real(path, flags, *mode, dir_fd=dir_fd)

        (built / "data").unlink(missing_ok=True)
        (built / "data").write_text("data")
        monkeypatch.setattr(os, "open", exchanged)
        with pytest.raises((OSError, Refusal)):
            adopt(str(built), str(tmp_path / f"adopted-{number}"))
        monkeypatch.undo()


def test_folders_without_end_are_refused(built, tmp_path):
    (built / "/".join(["d"] * 120)).mkdir(parents=True)
    with pytest.raises(Refusal, match="folders in folders, 100 deep"):
        adopt(str(built), str(tmp_path / "adopted"))


def _deep(folder, levels):
    """A tree that is deeper than a path may be long."""
    here = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    for _ in range(levels):
        os.mkdir("d" * 100)
        os.chdir("d" * 100)
    os.fchdir(here)
    os.close(here)


def test_a_tree_that_is_too_deep_to_be_copied_is_an_error_and_can_be_removed(built, tmp_path):
    _deep(built, 100)
    with pytest.raises((OSError, Refusal)):
        adopt(str(built), str(tmp_path / "adopted"))
    remove_tree(str(built))
    assert not built.exists()


def test_the_bench_is_empty_before_and_afterwards(tmp_path, monkeypatch):
    unbox(monkeypatch, tmp_path)
    layout = Layout("shop", str(tmp_path / "host"))
    Path(layout.bench, "left").mkdir(parents=True)
    with bench(layout, "code", "source") as folders:
        assert sorted(os.listdir(layout.bench)) == ["code", "source"]
        Path(folders[0], "made").touch()
    assert os.listdir(layout.bench) == []
