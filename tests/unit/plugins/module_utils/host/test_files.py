"""Files that are root's: what is written is nobody else's on the way, and no link leads a write or a change of owner elsewhere."""

import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import files
from mine import ME


def test_what_is_staged_is_its_owners_alone_until_it_has_its_mode(tmp_path, monkeypatch):
    seen = []

    def apply(_access, path):
        seen.append((stat.S_IMODE(os.stat(path).st_mode), Path(path).read_text()))

    monkeypatch.setattr(files.Access, "apply", apply)
    before = os.umask(0)
    try:
        files.stage(str(tmp_path / "secrets"), b"KEY=x", ME)
    finally:
        os.umask(before)
    assert seen == [(0o600, "KEY=x")]


def test_no_link_leads_what_is_staged_elsewhere(tmp_path):
    other = tmp_path / "other"
    other.write_text("as it was")
    (tmp_path / f"file{files.NEW}").symlink_to(other)
    with pytest.raises(OSError):
        files.stage(str(tmp_path / "file"), b"new", ME)
    assert other.read_text() == "as it was"


def test_no_link_leads_a_change_of_group_to_a_socket_elsewhere(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere.sock"
    folder.mkdir()
    for path in (folder / "ab.1.sock", elsewhere):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    (folder / "ab.2.sock").symlink_to(elsewhere)
    changed = []
    monkeypatch.setattr(files, "grp", SimpleNamespace(getgrnam=lambda name: SimpleNamespace(gr_gid=2**20)))
    monkeypatch.setattr(files.os, "chown", lambda path, uid, gid: changed.append(os.readlink(path)))
    files.give_sockets(str(folder), "nginx")
    assert changed == [str(folder / "ab.1.sock")]
