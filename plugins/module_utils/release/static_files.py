# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a release that nginx serves itself, in a store of their own: nginx can read no code.

An entry of the store has hard links to the code's files, at the paths of their URLs. Four links lead nginx to entries: ``next`` to
those of a release that is being switched to, ``current`` to those of the live one, ``previous`` to those before: pages that browsers
still show ask for them. ``candidate`` leads to those of a release that other servers of the fleet may have switched to already: their pages
ask here too, where a name means the live release's file if that has one.
"""

from __future__ import annotations

import os
import shutil
import stat

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import link_target, remove, replace_link
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release

NEXT, CURRENT, PREVIOUS, CANDIDATE = "next", "current", "previous", "candidate"
LINKS = (NEXT, CURRENT, PREVIOUS, CANDIDATE)  # in the order that nginx tries them
PASSING = (NEXT, CANDIDATE)  # while a release is made
BYTE_CODE = "__pycache__"
WELL_KNOWN = ".well-known"  # the one hidden folder that is meant for the public (RFC 8615)


def stage_static(layout: Layout, release: Release) -> bool:
    """Make the store's entry for a release unless it is there, or the release has none; tell whether that was needed."""
    if not release.static or os.path.isdir(layout.static(release.static)):
        return False
    path = layout.static(release.static)
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _folder(partial)
        for prefix, folder in release.manifest["static"].items():
            _publish(_source(layout, release, folder), partial, prefix, folder)
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def of_release(layout: Layout, release: str) -> str | None:
    """The digest of a release's entry."""
    target = link_target(os.path.join(layout.release(release), "static"))
    return os.path.basename(target) if target else None


def offer(layout: Layout, digest: str | None) -> None:
    """Let nginx find a candidate's files where no other release has them, before any server of the fleet serves its pages."""
    if digest and digest != _leads_to(layout, CURRENT):
        replace_link(layout.static(CANDIDATE), digest)


def announce(layout: Layout, digest: str | None) -> None:
    """Let nginx find a release's files first, before pages that name them are served."""
    if digest is None or digest == _leads_to(layout, CURRENT):
        remove(layout.static(NEXT))
    else:
        replace_link(layout.static(NEXT), digest)


def settle(layout: Layout, digest: str | None) -> None:
    """Make the live release's files the current ones, and those before them the previous ones. A change of something else moves neither."""
    now = _leads_to(layout, CURRENT)
    if digest != now:
        if now:
            replace_link(layout.static(PREVIOUS), now)
        if digest:
            replace_link(layout.static(CURRENT), digest)
        else:
            remove(layout.static(CURRENT))
    for link in PASSING:
        remove(layout.static(link))


def linked(layout: Layout) -> set[str]:
    """The digests that nginx is led to."""
    return {digest for digest in (_leads_to(layout, link) for link in LINKS) if digest}


def is_settled(layout: Layout, digest: str | None) -> bool:
    """Tell whether nginx is led to the live release's files alone."""
    return _leads_to(layout, CURRENT) == digest and not any(os.path.lexists(layout.static(link)) for link in PASSING)


def _leads_to(layout: Layout, link: str) -> str | None:
    return link_target(layout.static(link))


def _source(layout: Layout, release: Release, folder: str) -> str:
    """A folder of the code, or of the packages where the app is one."""
    base = top = layout.code(release.code)
    if release.packaged:
        top = layout.venv(release.venv)
        base = os.path.join(top, "lib", f"python{release.manifest['python']}", "site-packages")
    path = os.path.realpath(os.path.join(base, folder))
    if not os.path.isdir(path):
        where = "package has" if release.packaged else "code has"
        raise Refusal(
            f"static names '{folder}', but the {where} no such folder; correct it, or let a build hook make it"
        )
    if not _is_inside(path, os.path.realpath(top)):
        raise Refusal(f"static names '{folder}', which is a link that leads out of the code; replace it by the folder")
    return path


def _publish(source: str, entry: str, prefix: str, name: str) -> None:
    """Link a folder's files under their URLs. Hidden ones stay behind, and so does what is neither file nor link."""
    top = entry
    for part in prefix.strip("/").split("/"):
        top = os.path.join(top, part)
        _folder(top)
    for parent, folders, files in os.walk(source):
        folders[:] = [folder for folder in folders if _is_public(folder)]
        beside = os.path.normpath(os.path.join(top, os.path.relpath(parent, source)))
        _folder(beside)
        for file in [*folders, *filter(_is_public, files)]:
            path, link = os.path.join(parent, file), os.path.join(beside, file)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                _link(path, link, source, name)
            elif stat.S_ISREG(mode):
                os.link(path, link, follow_symlinks=False)


def _link(path: str, link: str, source: str, name: str) -> None:
    """Make a link like one of the code's, to the same place within the folder. nginx follows links, so none may lead out."""
    end = os.path.realpath(path)
    if not _is_inside(end, source):
        inside = os.path.relpath(path, source)
        raise Refusal(
            f"static: {ascii(f'{name}/{inside}')} is a link that leads out of '{name}'; replace it by the file"
        )
    os.symlink(os.path.relpath(end, os.path.dirname(path)), link)


def _folder(path: str) -> None:
    """Make a folder that nginx may read, whatever the umask; the store's own is the gate."""
    os.makedirs(path, exist_ok=True)
    os.chmod(path, 0o755)


def _is_public(name: str) -> bool:
    return name == WELL_KNOWN or not (name.startswith(".") or name == BYTE_CODE)


def _is_inside(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder
