"""Which files of a source are shipped, what identifies them, and which sources there are."""

import contextlib
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from sources import commit, git, wheel


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/module.py").write_text("x = 1\n")
    return tmp_path


@pytest.fixture
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return Cache(folder / "cache", folder / "run")


def read(folder):
    """The source that a folder is."""
    return source.resolve({"path": str(folder)})


def test_caches_and_virtual_environments_stay_behind(folder):
    for name in ("__pycache__/app.pyc", "env/pyvenv.cfg", "env/bin/python"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert read(folder).files == ("app.py", "src/module.py")


def test_what_git_ignores_stays_behind_and_what_is_not_added_yet_comes_along(folder):
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("*.secret\n")
    (folder / "key.secret").write_text("s3cret")
    git(folder, "add", "app.py")
    assert read(folder).files == (".gitignore", "app.py", "src/module.py")
    (folder / "app.py").unlink()
    assert "app.py" not in read(folder).files


def test_a_git_that_refuses_is_an_error_and_not_a_reason_to_ship_everything(folder):
    (folder / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(Refusal, match="git cannot list"):
        read(folder)


@pytest.mark.parametrize("name", [".git", "code"], ids=["a work tree", "a repository that is hidden among the files"])
def test_no_command_of_a_repositorys_own_settings_runs(tmp_path, name):
    """An unpacked folder brings its ``.git/config`` along, and git would run what that names as its file system's monitor."""
    ran = tmp_path / "ran"
    (tmp_path / "monitor").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (tmp_path / "monitor").chmod(0o755)
    git(tmp_path, "init", "--quiet", "r")
    commit(tmp_path / "r", "app.py", "app = 1\n")
    git(tmp_path / "r", "config", "core.fsmonitor", str(tmp_path / "monitor"))
    if name == "code":
        hidden = Path(shutil.copytree(tmp_path / "r/.git", tmp_path / "r/code"))
        (hidden / "app.py").write_text("app = 1\n")
        git(hidden, "config", "core.bare", "false")
        git(hidden, "config", "core.worktree", ".")
        with contextlib.suppress(Refusal):
            source.resolve({"path": str(hidden)})
    else:
        assert source.resolve({"path": str(tmp_path / "r")}).files == ("app.py",)
    assert not ran.exists()


def test_the_digest_is_of_names_contents_and_executable_bits_alone(folder):
    first = read(folder).digest()
    os.utime(folder / "app.py", (1, 1))
    (folder / "app.py").chmod(0o600)
    assert read(folder).digest() == first
    (folder / "app.py").chmod(0o755)
    executable = read(folder).digest()
    (folder / "app.py").rename(folder / "app2.py")
    renamed = read(folder).digest()
    (folder / "app2.py").write_text("app = 2\n")
    assert len({first, executable, renamed, read(folder).digest()}) == 4


def test_the_archive_has_the_files_with_their_times(folder):
    os.utime(folder / "app.py", (1000, 1000))
    archive = folder / "code.tar.gz"
    read(folder).archive(archive)
    with tarfile.open(archive) as tar:
        assert {member.name: member.mtime for member in tar}["app.py"] == 1000
        assert sorted(tar.getnames()) == ["app.py", "src/module.py"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_that_leads_out_is_refused(folder, target):
    (folder / "link").symlink_to(target)
    with pytest.raises(Refusal, match="leads out of the source"):
        read(folder)


STAND_INS = {
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    "git-crypt": (b"\0GITCRYPT\0\x8f\x1b", "git-crypt unlock"),
}


@pytest.mark.parametrize(("content", "remedy"), STAND_INS.values(), ids=STAND_INS)
def test_what_stands_for_a_file_is_refused_wherever_it_comes_from(folder, cache, content, remedy):
    (folder / "src/logo.png").write_bytes(content)
    with pytest.raises(Refusal, match=f"source.path: src/logo.png .*; run '{remedy}' in {folder}"):
        read(folder)
    git(folder, "init", "--quiet")
    commit(folder, "app.py", "app = 2\n")
    git(folder, "add", "src")
    git(folder, "commit", "--quiet", "--message", "logo")
    with pytest.raises(
        Refusal, match=f"source.git: src/logo.png .*; check it out, run '{remedy}', and use source.path"
    ):
        source.resolve({"git": str(folder)}, cache)


def test_a_file_that_is_about_git_lfs_is_a_file(folder):
    (folder / "lfs.md").write_text("version https://git-lfs.github.com/spec/v1 is how a pointer begins\n")
    (folder / "empty").write_text("")
    assert "lfs.md" in read(folder).files


def test_a_link_within_is_shipped_as_a_link(folder):
    (folder / "link.py").symlink_to("app.py")
    (folder / "folder").symlink_to("src")
    assert read(folder).files == ("app.py", "folder", "link.py", "src/module.py")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no files to ship"):
        read(tmp_path)


def test_the_archive_depends_on_the_files_alone(folder, tmp_path_factory):
    twin = tmp_path_factory.mktemp("twin") / "code"
    shutil.copytree(folder, twin)
    (twin / "app.py").chmod(0o600)
    archives = [folder.with_name("one.tar.gz"), folder.with_name("two.tar.gz")]
    for one, archive in zip((folder, twin), archives):
        read(one).archive(archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()


@pytest.mark.parametrize(
    ("stated", "version", "words"),
    [
        ({}, None, ["source names no code", "exactly one of path, git, archive, package"]),
        ({"version": "v1"}, None, ["source names no code"]),
        ({"path": ".", "git": "x"}, None, ["source has path and git", "exactly one"]),
        ({"path": ".", "git": "x", "archive": "y", "package": "z"}, None, ["path and git and archive and package"]),
        ({"path": " "}, None, ["source.path is empty", "name the folder"]),
        ({"git": ""}, None, ["source.git is empty", "name the repository"]),
        ({"path": ".", "version": "v1"}, None, ["source.version belongs to source.git", "source.path", "remove it"]),
        ({"git": "x", "checksum": "sha256:0"}, None, ["source.checksum belongs to source.archive", "remove it"]),
        ({"git": "x", "version": "--upload-pack=x"}, None, ["source.version '--upload-pack=x'", "default branch"]),
        ({"git": "x"}, "-x", ["source.version '-x'"]),
        ({"git": "-x"}, None, ["source.git '-x' starts with '-'"]),
        ({"archive": "https://u:s3cret@x.test/a.tgz"}, None, ["needs source.checksum", "sha256sum"]),
        ({"archive": "ftp://x.test/a.tgz"}, None, ["source.archive 'ftp://x.test/a.tgz'", "http"]),
        ({"archive": "a.zip", "checksum": "md5:0"}, None, ["source.checksum 'md5:0'", "64 hexadecimal digits"]),
        ({"package": "shop"}, None, ["source.package 'shop' must be 'name==version'", "wheel"]),
        ({"package": "shop>=1"}, None, ["source.package 'shop>=1' must be"]),
        ({"package": "shop==1.*"}, None, ["source.package 'shop==1.*' must be"]),
        ({"package": "shop==1"}, "1 --index-url=http://evil.test", ["source.package 'shop==1 --index-url"]),
        (
            {"package": "dist/shop.whl"},
            None,
            ["'dist/shop.whl' is not named like a wheel", "name that it was built with"],
        ),
        ({"path": "."}, "v2", ["version 'v2' was asked for", "source.path is '.'", "no versions", "run without it"]),
        ({"archive": "a.zip"}, "v2", ["version 'v2' was asked for", "source.archive is 'a.zip'"]),
        ({"package": "a.zip"}, "v2", ["version 'v2' was asked for", "source.package is 'a.zip'"]),
    ],
)
def test_a_form_that_cannot_be_is_one_error_with_its_remedy(stated, version, words):
    (sentence,) = source.mistakes(stated, version)
    assert [word for word in words if word not in sentence] == [], sentence
    assert "s3cret" not in sentence


@pytest.mark.parametrize(
    ("stated", "version", "wanted"),
    [
        ({"git": "x", "version": "v1"}, "v2", {"git": "x", "version": "v2"}),
        ({"git": "x"}, "main", {"git": "x", "version": "main"}),
        ({"package": "shop==1.2"}, "1.3rc1", {"package": "shop==1.3rc1"}),
        ({"package": "shop[mail] == 1.2"}, "2!1+local.1", {"package": "shop[mail]==2!1+local.1"}),
        ({"path": "."}, None, {"path": "."}),
    ],
)
def test_a_version_takes_the_place_of_the_sources_own(stated, version, wanted):
    assert list(source.mistakes(stated, version)) == []
    assert source.with_version(stated, version) == wanted


@pytest.mark.parametrize(
    ("stated", "located"),
    [
        ({"path": "../shop"}, {"path": "/shop"}),
        ({"git": "../shop.git"}, {"git": "/shop.git"}),
        ({"git": "https://x.test/shop.git"}, None),
        ({"git": "git@x.test:shop.git"}, None),
        ({"git": "x.test:shop.git"}, None),
        ({"archive": "shop.zip"}, {"archive": "/inventory/shop.zip"}),
        ({"archive": "https://x.test/shop.zip"}, None),
        ({"package": "shop-1-py3-none-any.whl"}, {"package": "/inventory/shop-1-py3-none-any.whl"}),
        ({"package": "shop==1.zip2"}, None),
    ],
)
def test_what_is_on_the_controller_starts_from_the_inventory_and_nothing_else_does(stated, located):
    assert source.located(stated, Path("/inventory")) == (located or stated)


@pytest.mark.parametrize(("kind", "thing"), [("path", "folder"), ("git", "repository"), ("archive", "file")])
def test_what_is_not_there_is_named(kind, thing, cache):
    with pytest.raises(Refusal, match=f"source.{kind}: there is no {thing} /nowhere; .* inventory's folder"):
        source.resolve({kind: "/nowhere"}, cache)
    with pytest.raises(Refusal, match="there is no file /shop-1.zip"):
        source.resolve({"package": "/shop-1.zip"}, cache)


def test_the_same_files_are_the_same_code_whatever_the_source(folder, cache, tmp_path_factory):
    digest = read(folder).digest()
    packed = tmp_path_factory.mktemp("packed")
    git(folder, "init", "--quiet")
    commit(folder, "app.py", "app = 1\n")
    commit(folder, "src/module.py", "x = 1\n")
    for kind in ("zip", "gztar", "xztar"):
        archive = shutil.make_archive(str(packed / kind), kind, folder.parent, folder.name)
        assert source.resolve({"archive": archive}, cache).digest() == digest
    assert source.resolve({"git": str(folder)}, cache).digest() == digest
    assert read(folder).digest() == digest


def test_a_package_of_an_index_has_no_code_and_a_file_travels_as_the_code_would(tmp_path):
    published = source.resolve({"package": "shop[mail] == 1.2"})
    assert (published.files, published.package) == ((), "shop[mail]==1.2")
    assert str(published) == "package shop[mail]==1.2"
    built = wheel(tmp_path, "shop", "1.2", "app = 1\n", "flask")
    (tmp_path / "beside").write_text("not shipped")
    found = source.resolve({"package": str(built)})
    assert (found.files, found.package) == ((built.name,), f"./{built.name}")
    assert found.origin["checksum"].startswith("sha256:")


def test_a_package_of_an_index_is_packed_as_an_empty_archive(tmp_path):
    source.resolve({"package": "shop==1.2"}).archive(tmp_path / "code.tar.gz")
    with tarfile.open(tmp_path / "code.tar.gz") as tar:
        assert tar.getnames() == []


def test_a_password_in_a_url_is_in_no_output():
    shown = source.public({"git": "https://me:s3cret@x.test/shop.git", "version": None})
    assert shown == {"git": "https://x.test/shop.git", "version": None}
