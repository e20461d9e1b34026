# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Code from git, fetched on the controller: hosts need neither git nor a key.

A mirror a repository is kept in the cache. What a branch or tag means is asked once a run, so all its hosts get the same
commit; a commit that is known costs no network.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run, tail
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.shipped_files import git_environment
from ansible_collections.emperor.flask.plugins.plugin_utils.source.unpacking import unpack

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
ABBREVIATED = re.compile(r"[0-9a-f]{7,64}")
SCP = re.compile(r"[^/]+:")  # host:path, as in gitrepository(7): a colon before the first slash
USER = re.compile(r"(https?://)[^/@\s]*@")
DEFAULT_BRANCH = "refs/emperor/default"  # what the repository's own HEAD was when it was asked for
SHOWN = 5  # names in a message


def is_url(location: str) -> bool:
    """Tell a URL, or ssh's short form ``user@host:path``, from a path on the controller."""
    return "://" in location or bool(SCP.match(location))


def public(text: str) -> str:
    """A URL, or a message with URLs, without the user and password that http allows there."""
    return USER.sub(r"\1", text)


def checkout(url: str, version: str | None, cache: Cache) -> tuple[str, Path]:
    """The commit that a branch, tag or commit means (unset, the default branch), and a folder with its files."""
    remembered = f"git-{hashlib.sha256(f'{url} {version}'.encode()).hexdigest()}"
    commit = version if COMMIT.fullmatch(version or "") else cache.remembered(remembered)
    if commit and (known := cache.known_tree(commit)):
        return commit, known
    if not shutil.which("git"):
        raise Refusal("source.git is fetched by git; install git on the controller")
    with cache.claimed(_mirror(url)) as folder:
        mirror = Mirror(url, folder)
        commit = cache.remembered(remembered) or mirror.commit(version)
        cache.remember(remembered, commit)
        return commit, cache.tree(commit, lambda tree: mirror.unpack(commit, tree))


def mirrored(url: str, cache: Cache) -> list[str]:
    """The options that lead git to the copy of a repository that was checked out."""
    return ["--git-dir", str(cache.folder / "git" / _mirror(url))]


def _mirror(url: str) -> str:
    return f"{Path(public(url)).stem}-{hashlib.sha256(public(url).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Mirror:
    """A bare copy of a repository, without its URL: that may have a password in it."""

    url: str
    folder: Path

    def commit(self, version: str | None) -> str:
        """The commit that ``version`` means now; raises Refusal with the nearest names if it means none."""
        if not (self.folder / "HEAD").exists():
            self._git("init", "--quiet", "--bare")
        abbreviated = bool(version and ABBREVIATED.fullmatch(version))
        if version and abbreviated and not self._named(version) and (known := self._resolve(version)):
            return known
        self._fetch(version)
        commit = self._named(version) if version else self._resolve(DEFAULT_BRANCH)
        if version and abbreviated and not commit:
            commit = self._resolve(version) or self._fetch_commit(version)
        if not commit:
            raise Refusal(
                f"source.version: {public(self.url)} has no branch, tag or commit '{version}'; {self._hint(version or DEFAULT_BRANCH)}"
            )
        return commit

    def unpack(self, commit: str, folder: Path) -> None:
        """Write a commit's files to an empty folder, as ``git archive`` gives them: without what the project marks ``export-ignore``."""
        for entry in self._git("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
            if entry.startswith("160000 "):  # the mode of a gitlink
                raise Refusal(
                    f"source.git: '{entry.partition(chr(9))[2]}' in {public(self.url)} is a submodule, which source.git cannot ship; "
                    "check it out and use source.path"
                )
        with tempfile.TemporaryDirectory(prefix="emperor-") as scratch:
            archive = Path(scratch, "code.tar")
            self._git("archive", "--format=tar", f"--output={archive}", commit)
            unpack(archive, folder, f"source.git: {public(self.url)}")

    def _fetch(self, version: str | None) -> None:
        head = [] if version else [f"+HEAD:{DEFAULT_BRANCH}"]
        everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        self._git("fetch", "--quiet", "--prune", "--no-tags", "--", self.url, *head, *everything)

    def _fetch_commit(self, version: str) -> str | None:
        """A commit on no branch, such as a pull request's: many servers give it to whoever knows its whole name."""
        if not COMMIT.fullmatch(version):
            return None
        try:
            self._git("fetch", "--quiet", "--no-tags", "--", self.url, version)
        except Refusal:
            return None
        return self._resolve(version)

    def _named(self, version: str) -> str | None:
        """The commit of a tag or branch; the tag where both have the name, as git has it."""
        for name in (f"refs/tags/{version}", f"refs/heads/{version}", version):
            if name.startswith("refs/") and (commit := self._resolve(name)):
                return commit
        return None

    def _resolve(self, name: str) -> str | None:
        try:
            return self._git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}").strip()
        except Refusal:
            return None

    def _hint(self, version: str) -> str:
        listed = self._git("for-each-ref", "--sort=-creatordate", "--format=%(refname)", "refs/heads", "refs/tags")
        names = [name.split("/", 2)[2] for name in listed.splitlines()]
        if not names:
            return "it has none at all"
        near = difflib.get_close_matches(version, names, n=SHOWN, cutoff=0.5)
        return f"the nearest are {', '.join(near)}" if near else f"it has {', '.join(names[:SHOWN])}"

    def _git(self, *arguments: str) -> str:
        """Run git in the mirror. ssh must not ask: nobody would see the question."""
        argv = ["git", "--git-dir", str(self.folder), "-c", "gc.autoDetach=false", *arguments]
        environment = git_environment()
        if not {"GIT_SSH", "GIT_SSH_COMMAND"} & environment.keys():
            environment["GIT_SSH_COMMAND"] = f"{_ssh_command()} -o BatchMode=yes"
        try:
            return run(argv, env=environment, cwd=str(self.folder))
        except CommandFailed as error:
            raise Refusal(
                f"source.git: git {arguments[0]} of {public(self.url)} failed on the controller: {public(tail(error.output))}"
            ) from error


def _ssh_command() -> str:
    """The user's own, which the environment variable would otherwise hide."""
    try:
        return run(
            ["git", "config", "--get", "core.sshCommand"], env=git_environment(), cwd=os.path.expanduser("~")
        ).strip()
    except CommandFailed:
        return "ssh"
