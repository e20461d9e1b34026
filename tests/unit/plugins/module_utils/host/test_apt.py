"""Packages that a build or a wheel needs. apt itself is a stand-in; scenario `one_build` has the real one."""

from __future__ import annotations

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import apt
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal


class Apt:
    """A host with gcc; ``broken`` is how often an installation fails."""

    def __init__(self, monkeypatch, broken=0):
        self.asked, self.broken = [], broken
        monkeypatch.setattr(apt, "installed", lambda package: "14" if package == "gcc" else None)
        monkeypatch.setattr(apt, "apt_get", self._apt_get)

    def _apt_get(self, *arguments):
        self.asked.append(arguments)
        if arguments[0] == "install" and self.broken:
            self.broken -= 1
            raise CommandFailed(["apt-get"], 100, "E: Unable to locate package python3-dev")


INSTALL = ("install", "--no-install-recommends", "python3-dev")


def test_only_what_is_missing_is_installed_and_no_list_is_fetched_for_it(monkeypatch):
    host = Apt(monkeypatch)
    apt.have(["gcc", "python3-dev"])
    apt.have(["gcc"])
    assert host.asked == [INSTALL]


def test_lists_that_are_too_old_to_install_from_are_fetched(monkeypatch):
    host = Apt(monkeypatch, broken=1)
    apt.have(["python3-dev"])
    assert host.asked == [INSTALL, ("update",), INSTALL]


def test_what_cannot_be_installed_is_named_with_the_reason(monkeypatch):
    Apt(monkeypatch, broken=2)
    with pytest.raises(Refusal, match="apt cannot install python3-dev: E: Unable to locate package python3-dev"):
        apt.have(["gcc", "python3-dev"])


def test_what_came_for_a_while_goes_with_all_that_came_along_and_nothing_else(monkeypatch):
    host, there = Apt(monkeypatch), iter([{"gcc", "vim"}, {"gcc", "vim", "python3-dev", "libexpat1-dev"}])
    monkeypatch.setattr(apt, "_installed", lambda: next(there))
    with pytest.raises(ZeroDivisionError), apt.meanwhile(["gcc", "python3-dev"]):
        raise ZeroDivisionError
    assert host.asked == [INSTALL, ("purge", "libexpat1-dev", "python3-dev")]


@pytest.mark.parametrize(
    ("names", "there"),
    [([], False), (["lock", "partial"], False), (["deb.debian.org_debian_dists_trixie_InRelease"], True)],
)
def test_a_host_that_has_never_fetched_a_list_is_known(tmp_path, names, there):
    assert not apt.has_lists(str(tmp_path / "none"))
    for name in names:
        (tmp_path / name).touch()
    assert apt.has_lists(str(tmp_path)) is there
