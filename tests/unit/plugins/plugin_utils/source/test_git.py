"""Code from git: real repositories, reached as paths and over HTTP."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import os
import shutil
import threading
from types import SimpleNamespace

import pytest
import sources
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.source import git as module
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from sources import commit, git


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", tmp_path / "run-1")


@pytest.fixture
def repository(tmp_path):
    """A repository with a tag, a branch beside main, and three commits."""
    folder = sources.repository(tmp_path / "shop")
    first = commit(folder, "shop.py", "app = 1\n")
    git(folder, "tag", "-a", "-m", "x", "v1.4.2")
    git(folder, "checkout", "--quiet", "-b", "feature/cart")
    second = commit(folder, "shop.py", "app = 'cart'\n")
    git(folder, "checkout", "--quiet", "main")
    third = commit(folder, "shop.py", "app = 2\n")
    return SimpleNamespace(folder=folder, url=str(folder), tagged=first, cart=second, main=third)


@pytest.fixture
def served(repository, tmp_path):
    """The repository over plain HTTP, and every path that was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    git(tmp_path, "clone", "--quiet", "--bare", repository.url, "served.git")
    git(tmp_path / "served.git", "update-server-info")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=os.fspath(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/served.git", asked=asked)
    server.shutdown()


def checkout(cache, url, version=None):
    """The commit, and the text of the module in it."""
    found, folder = module.checkout(url, version, cache)
    return found, (folder / "shop.py").read_text()


def next_run(cache):
    return dataclasses.replace(cache, run=cache.run.with_name(cache.run.name + "+"))


def test_branch_tag_commit_and_default_branch(repository, cache):
    url = repository.url
    assert checkout(cache, url, "v1.4.2") == (repository.tagged, "app = 1\n")
    assert checkout(cache, url, "feature/cart") == (repository.cart, "app = 'cart'\n")
    assert checkout(cache, url, repository.cart) == (repository.cart, "app = 'cart'\n")
    assert checkout(cache, url, repository.main[:8]) == (repository.main, "app = 2\n")
    assert checkout(cache, url) == (repository.main, "app = 2\n")


def test_a_tag_goes_before_a_branch_of_its_name_as_git_has_it(repository, cache):
    git(repository.folder, "branch", "v1.4.2", "main")
    assert checkout(cache, repository.url, "v1.4.2")[0] == repository.tagged


def test_a_branch_is_asked_for_once_a_run_so_that_all_hosts_get_one_commit(repository, cache):
    assert checkout(cache, repository.url, "main")[0] == repository.main
    new = commit(repository.folder, "shop.py", "app = 3\n")
    assert checkout(cache, repository.url, "main")[0] == repository.main
    assert checkout(next_run(cache), repository.url, "main") == (new, "app = 3\n")


def test_a_tag_that_was_moved_and_a_branch_that_was_rewritten_are_followed(repository, cache):
    checkout(cache, repository.url, "v1.4.2")
    git(repository.folder, "tag", "--force", "v1.4.2", "feature/cart")
    git(repository.folder, "branch", "--force", "feature/cart", repository.tagged)
    later = next_run(cache)
    assert checkout(later, repository.url, "v1.4.2")[0] == repository.cart
    assert checkout(later, repository.url, "feature/cart")[0] == repository.tagged


def test_a_branch_in_the_place_of_another_branchs_folder(repository, cache):
    checkout(cache, repository.url, "main")
    git(repository.folder, "branch", "--move", "feature/cart", "feature")
    assert checkout(next_run(cache), repository.url, "feature")[0] == repository.cart


@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_that_is_known_costs_no_network(repository, cache, length):
    checkout(cache, repository.url, "main")
    shutil.rmtree(repository.folder)
    assert checkout(next_run(cache), repository.url, repository.main[:length])[0] == repository.main
    # Known to the mirror, though its files were never asked for.
    assert checkout(next_run(cache), repository.url, repository.tagged[:length]) == (repository.tagged, "app = 1\n")


def test_the_network_is_asked_once_a_run(served, repository, cache):
    assert checkout(cache, served.url, "v1.4.2")[0] == repository.tagged
    asked = len(served.asked)
    assert asked
    checkout(cache, served.url, "v1.4.2")
    checkout(next_run(cache), served.url, repository.tagged)
    assert len(served.asked) == asked


def test_a_commit_on_no_branch_is_asked_for_by_name(repository, cache):
    git(repository.folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    git(repository.folder, "checkout", "--quiet", "--detach")
    lonely = commit(repository.folder, "shop.py", "app = 'lonely'\n")
    git(repository.folder, "checkout", "--quiet", "main")
    assert checkout(cache, repository.url, lonely) == (lonely, "app = 'lonely'\n")


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("v1.4.3", "no branch, tag or commit 'v1.4.3'; the nearest are v1.4.2"),
        ("feature/card", "the nearest are feature/cart"),
        ("zzz", "it has .*main"),
        ("0" * 40, "no branch, tag or commit '0000"),
        ("origin/main", "the nearest are main"),
    ],
)
def test_a_reference_that_does_not_exist_is_answered_with_the_nearest(repository, cache, version, words):
    with pytest.raises(Refusal, match=f"source.version: {repository.url} has .*{words}"):
        module.checkout(repository.url, version, cache)


def test_a_repository_without_a_commit(tmp_path, cache):
    git(tmp_path, "init", "--quiet", "empty")
    with pytest.raises(Refusal, match="has no branch, tag or commit 'main'; it has none at all"):
        module.checkout(str(tmp_path / "empty"), "main", cache)
    with pytest.raises(Refusal, match="git fetch .* failed on the controller"):
        module.checkout(str(tmp_path / "empty"), None, cache)


def test_a_password_stands_in_no_message_and_in_no_file_of_the_cache(served, cache):
    address = served.url.removeprefix("http://")
    with pytest.raises(Refusal, match="source.git: git fetch of http://127.0.0.1") as refused:
        module.checkout(f"http://me:s3cret@{address}-not", "main", cache)
    assert "s3cret" not in str(refused.value)
    module.checkout(f"http://me:s3cret@{address}", "main", cache)
    for top in (cache.folder, cache.run):
        assert not [path for path in top.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_two_passwords_share_a_mirror(served, repository, cache):
    address = served.url.removeprefix("http://")
    for password in ("one", "two"):
        assert module.checkout(f"http://me:{password}@{address}", "main", cache)[0] == repository.main
    assert len([path for path in (cache.folder / "git").iterdir() if path.is_dir()]) == 1


def test_git_asks_no_question(served, repository, cache, monkeypatch):
    """ssh gets BatchMode, in the command that the user has for it."""
    script = cache.folder.parent / "ssh"
    script.write_text(f'#!/bin/sh\necho "asked: $*" >> {cache.folder.parent}/asked\nexit 1\n')
    script.chmod(0o755)
    monkeypatch.setenv("HOME", str(cache.folder.parent))
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    (cache.folder.parent / ".gitconfig").write_text(f"[core]\n\tsshCommand = {script} -i key\n")
    with pytest.raises(Refusal, match="git fetch of git@x.test:shop.git failed"):
        module.checkout("git@x.test:shop.git", "main", cache)
    assert "asked: -i key -o BatchMode=yes" in (cache.folder.parent / "asked").read_text()


def test_a_hooks_environment_does_not_lead_git_astray(repository, cache, monkeypatch):
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert checkout(cache, repository.url, "main")[0] == repository.main
    assert source.resolve({"path": repository.url}).files == ("shop.py",)


def test_a_submodule_is_refused(repository, cache):
    git(repository.folder, "update-index", "--add", "--cacheinfo", f"160000,{repository.main},vendor/cart")
    git(repository.folder, "commit", "--quiet", "--message", "x")
    with pytest.raises(Refusal, match="'vendor/cart' in .* is a submodule, .* use source.path"):
        module.checkout(repository.url, "main", cache)


def test_a_link_that_leads_out_is_refused(repository, cache):
    (repository.folder / "passwords").symlink_to("/etc/passwd")
    git(repository.folder, "add", "passwords")
    git(repository.folder, "commit", "--quiet", "--message", "x")
    with pytest.raises(Refusal, match="member 'passwords' is a link to '/etc/passwd', out of the archive"):
        module.checkout(repository.url, "main", cache)


def test_the_origin_names_repository_version_and_commit(repository, cache):
    found = source.resolve({"git": repository.url, "version": "v1.4.2"}, cache)
    assert found.origin == {"git": repository.url, "version": "v1.4.2", "commit": repository.tagged}
    assert "version" not in source.resolve({"git": repository.url}, cache).origin


def test_no_git_on_the_controller(repository, cache, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Refusal, match="install git on the controller"):
        module.checkout(repository.url, "main", cache)
