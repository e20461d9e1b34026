"""What an app had in shared, kept as an archive; what a run that died has left of one goes with the next."""

import tarfile
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import shared_archive


@pytest.fixture
def layout(tmp_path):
    """An app with a file to keep."""
    layout = Layout("shop", str(tmp_path))
    Path(layout.shared).mkdir(parents=True)
    Path(layout.shared, "note").write_text("precious")
    return layout


def test_files_are_kept_for_root_alone(layout, tmp_path):
    archive = shared_archive.keep(layout, str(tmp_path / "archives"))
    with tarfile.open(archive) as tar:
        assert tar.extractfile("./note").read() == b"precious"
    assert Path(archive).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "archives").iterdir()] == [Path(archive).name]


def test_what_a_run_that_died_has_left_goes_and_nothing_of_others_nor_what_is_whole(layout, tmp_path):
    folder = tmp_path / "archives"
    folder.mkdir()
    stays = [
        "shop-2026-01-02T030405.tar.gz",
        "shop-2-2026-01-02T030405.tar.gz.partial",
        "my-shop-2026-01-02T030405.tar.gz.partial",
        "shop-notes.tar.gz.partial",
    ]
    for name in [*stays, "shop-2026-01-02T030405.tar.gz.partial", "shop-2026-02-02T030405.tar.gz.partial"]:
        (folder / name).touch()
    shared_archive.clear(layout, str(folder))
    assert sorted(path.name for path in folder.iterdir()) == sorted(stays)
    shared_archive.clear(layout, str(tmp_path / "none"))


def test_an_archive_that_cannot_be_written_leaves_nothing(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_archive, "REMEDY", "make room")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/tar").write_text('#!/bin/sh\ntouch "$5"\necho no space left\nexit 2\n')
    (tmp_path / "bin/tar").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    with pytest.raises(Refusal, match="no space left; make room"):
        shared_archive.keep(layout, str(tmp_path / "archives"))
    assert list((tmp_path / "archives").iterdir()) == []
