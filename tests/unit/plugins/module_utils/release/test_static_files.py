"""Static files: published under their URLs, from nowhere but their folders, and found for one release more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import static_files
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "57a71c"


@pytest.fixture
def layout(tmp_path):
    layout = Layout("shop", str(tmp_path))
    for folder in (layout.codes, layout.venvs, layout.releases, layout.statics):
        Path(folder).mkdir(parents=True)
    return layout


def code(layout, *names):
    """The code of a release, with files that hold their own names."""
    top = Path(layout.code("c0de"))
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


def release(packaged=False, **folders):
    """A release whose nginx serves these folders, named by the last part of their URL."""
    mapping = {f"/{prefix}": folder for prefix, folder in folders.items()}
    manifest = {"schema": 2, "static": mapping, "python": "3.13"}
    return Release("0123456789ab", "c0de", "c0de", "5e5e", {}, "", "", "", manifest, DIGEST, packaged)


def published(layout):
    """Every path of the entry that is not a folder."""
    top = Path(layout.static(DIGEST))
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir() or path.is_symlink())


def test_files_are_linked_under_their_urls_once(layout):
    code(layout, "shop/static/app.css", "shop/static/img/a.png", "admin/files/b.js", "shop/secret.py")
    assert static_files.stage_static(layout, release(**{"static": "shop/static", "admin/static": "admin/files"}))
    assert published(layout) == ["admin/static/b.js", "static/app.css", "static/img/a.png"]
    entry = Path(layout.static(DIGEST), "static/app.css")
    assert entry.samefile(Path(layout.code("c0de"), "shop/static/app.css"))
    assert not static_files.stage_static(layout, release(static="shop/static"))


def test_every_folder_can_be_read_by_nginx_whatever_the_umask(layout):
    code(layout, "shop/static/img/a.png")
    before = os.umask(0o077)
    try:
        static_files.stage_static(layout, release(**{"a/b": "shop/static"}))
    finally:
        os.umask(before)
    top = Path(layout.static(DIGEST))
    assert {path.stat().st_mode & 0o777 for path in [top, *top.rglob("*")] if path.is_dir()} == {0o755}


def test_hidden_files_byte_code_and_devices_stay_behind(layout):
    top = code(layout, "s/app.css", "s/.env", "s/.git/config", "s/__pycache__/a.pyc", "s/.well-known/security.txt")
    os.mkfifo(top / "s/pipe")
    static_files.stage_static(layout, release(static="s"))
    assert published(layout) == ["static/.well-known/security.txt", "static/app.css"]


def test_links_within_the_folder_work_from_where_they_are(layout):
    top = code(layout, "s/v1/app.css")
    (top / "s/latest").symlink_to("v1")
    (top / "s/v1/main.css").symlink_to("app.css")
    static_files.stage_static(layout, release(static="s"))
    assert published(layout) == ["static/latest", "static/v1/app.css", "static/v1/main.css"]
    for name in ("latest/app.css", "v1/main.css", "latest/main.css"):
        assert Path(layout.static(DIGEST), "static", name).read_text() == "s/v1/app.css"


@pytest.mark.parametrize("target", ["../secret.py", "/etc/passwd", "..", "inner/../../secret.py"])
def test_a_link_that_leads_out_of_the_folder_is_refused(layout, target):
    top = code(layout, "secret.py", "s/app.css")
    (top / "s/way-out").symlink_to(target)
    with pytest.raises(Refusal, match="static: 's/way-out' is a link that leads out of 's'; replace it by the file"):
        static_files.stage_static(layout, release(static="s"))
    assert os.listdir(layout.statics) == []


def test_a_hidden_file_cannot_be_reached_by_a_link(layout):
    top = code(layout, "s/.env", "s/app.css")
    (top / "s/env.txt").symlink_to(".env")
    static_files.stage_static(layout, release(static="s"))
    assert not Path(layout.static(DIGEST), "static/env.txt").exists()


def test_a_folder_that_is_not_there_or_elsewhere_is_refused(layout):
    top = code(layout, "s/app.css")
    (top / "elsewhere").symlink_to("/etc")
    for folder, words in (
        ("shop", "static names 'shop', but the code has no such folder; correct it, or let a build hook make it"),
        ("s/app.css", "static names 's/app.css', but the code has no such folder"),
        ("elsewhere", "static names 'elsewhere', which is a link that leads out of the code; replace it by the folder"),
    ):
        with pytest.raises(Refusal, match=words):
            static_files.stage_static(layout, release(static=folder))
        assert os.listdir(layout.statics) == []


def test_a_packages_files_are_those_that_are_installed(layout):
    code(layout)
    files = Path(layout.venv("5e5e"), "lib/python3.13/site-packages/shop/static")
    files.mkdir(parents=True)
    (files / "app.css").write_text("body {}")
    static_files.stage_static(layout, release(True, static="shop/static"))
    assert published(layout) == ["static/app.css"]


def test_packages_that_lead_out_of_their_environment_are_refused(layout, tmp_path):
    """A build could let root work in a folder that the app writes."""
    code(layout)
    away = tmp_path / "away/shop/static"
    away.mkdir(parents=True)
    packages = Path(layout.venv("5e5e"), "lib/python3.13/site-packages")
    packages.parent.mkdir(parents=True)
    packages.symlink_to(tmp_path / "away")
    with pytest.raises(Refusal, match="leads out of the code"):
        static_files.stage_static(layout, release(True, static="shop/static"))


def test_what_died_half_way_is_made_anew(layout):
    code(layout, "s/app.css")
    Path(layout.static(f"{DIGEST}.partial"), "static/old.css").mkdir(parents=True)
    static_files.stage_static(layout, release(static="s"))
    assert published(layout) == ["static/app.css"]
    assert os.listdir(layout.statics) == [DIGEST]


def test_a_release_without_static_files_has_no_entry(layout):
    assert not static_files.stage_static(layout, Release("01", "c0de", "c0de", "5e5e", {}, "", "", "", {}))
    assert os.listdir(layout.statics) == []


def links(layout):
    """Where nginx is led to, in its order."""
    return [
        os.readlink(layout.static(link)) if os.path.lexists(layout.static(link)) else None
        for link in static_files.LINKS
    ]


def test_old_and_new_files_are_found_from_the_switch_on_and_until_the_next(layout):
    seen = []
    for digest in ("a", "b", "b", "c"):
        for step in (static_files.offer, static_files.announce, static_files.settle):
            step(layout, digest)
            seen.append(links(layout))
    assert seen == [
        [None, None, None, "a"],
        ["a", None, None, "a"],
        [None, "a", None, None],
        [None, "a", None, "b"],
        ["b", "a", None, "b"],
        [None, "b", "a", None],
        [None, "b", "a", None],  # the same files, such as with a rotated secret: nothing moves
        [None, "b", "a", None],
        [None, "b", "a", None],
        [None, "b", "a", "c"],
        ["c", "b", "a", "c"],
        [None, "c", "b", None],
    ]


def test_a_switch_that_is_taken_back_leaves_everything_as_it_was(layout):
    for digest in ("a", "b"):
        static_files.announce(layout, digest)
        static_files.settle(layout, digest)
    static_files.offer(layout, "c")
    static_files.announce(layout, "c")
    assert not static_files.is_settled(layout, "b")
    static_files.announce(layout, "b")
    static_files.settle(layout, "b")
    assert links(layout) == [None, "b", "a", None] and static_files.is_settled(layout, "b")


@given(steps=st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.booleans()), max_size=8))
def test_the_live_files_come_first_whichever_run_died_before_it_ended(tmp_path_factory, steps):
    layout = Layout("shop", str(tmp_path_factory.mktemp("host")))
    os.makedirs(layout.statics)
    live = None
    for digest, dies in steps:
        static_files.settle(layout, live)
        before, live = live, digest
        static_files.announce(layout, digest)
        found = [link for link in links(layout) if link]
        assert digest is None or found[0] == digest
        assert before is None or before in found
        if not dies:
            static_files.settle(layout, digest)
            assert static_files.is_settled(layout, digest)
