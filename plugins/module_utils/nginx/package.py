# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""nginx's package and the repository it comes from, as one transaction: trusted, there, downloaded and installed, or all as before."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host import apt, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, tail
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import Transaction

CA_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def is_version(wanted: str, version: str) -> bool:
    """Tell whether a package's version is the wanted one, which may leave the package's revision out."""
    return version == wanted or version.startswith(f"{wanted}-")


@dataclass
class Supply(Transaction):
    """The files that make apt trust a repository, and nginx from it.

    ``sources`` is the file that names nginx.org's repository, None for the distribution's; ``wanted`` the version, or none for
    the newest at the time it is installed.
    """

    sources: str | None = None
    url: str = ""
    codename: str = ""
    wanted: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.installed = apt.installed("nginx")
        # The distributions keep nginx's files in nginx-common; nginx.org has no such package.
        from_distribution = apt.installed("nginx-common") is not None
        self.foreign = self.installed is None or from_distribution == bool(self.sources)
        self.target: str | None = None

    @property
    def moving(self) -> bool:
        """Tell whether the host has no nginx, one from elsewhere, or one of another version than wanted."""
        return self.foreign or bool(self.wanted and not is_version(self.wanted, self.installed or ""))

    @property
    def changed(self) -> bool:
        """Tell whether ``apply`` has anything to do."""
        return super().changed or self.moving

    @property
    def place(self) -> str:
        """The repository, as messages call it."""
        return f"{self.url} ({self.codename})" if self.sources else "the distribution's repository"

    def test(self) -> None:
        """Let apt verify the repository, choose the version and download it; raise Refusal when any of it fails."""
        try:
            self._download()
        except Refusal as refusal:
            raise Refusal(f"{refusal}\nNothing was changed but apt's lists.") from refusal

    def _download(self) -> None:
        options = apt.only(self.sources) if self.sources else []
        if not apt.lists_are_fresh():
            self._update_distribution()
        if self.sources:
            self._update_repository(options)
        offered = apt.offered("nginx", *options)
        if not offered and not self.sources:  # the lists were emptied
            self._update_distribution()
            offered = apt.offered("nginx")
        self.target = self._choose(offered)
        if self.target:
            try:
                apt.apt_get("install", "--download-only", "--allow-downgrades", f"nginx={self.target}")
            except CommandFailed as error:
                raise Refusal(
                    f"apt cannot download nginx {self.target} from {self.place}: {tail(error.output)}"
                ) from error

    def _update_distribution(self) -> None:
        try:
            apt.apt_get("update")
        except CommandFailed as error:
            # nginx.org's package needs little of it, and another broken repository must not stand in its way: the download tells.
            if not self.sources:
                raise Refusal(f"apt cannot read the package lists: {tail(error.output)}") from error

    def _update_repository(self, options: list[str]) -> None:
        if self.url.startswith("https://") and not os.path.exists(CA_CERTIFICATES):
            apt.apt_get("install", "--no-install-recommends", "ca-certificates")
        try:
            apt.apt_get("update", "--error-on=any", *options)
        except CommandFailed as error:
            if "does not have a Release file" in error.output and " 404 " in error.output:
                raise Refusal(
                    f"{self.url} has no packages for '{self.codename}'; set nginx_origin to 'distribution', "
                    "or nginx_repository_url to a mirror that has them"
                ) from error
            raise Refusal(f"apt does not trust {self.place}: {tail(error.output)}") from error

    def _choose(self, versions: list[str]) -> str | None:
        """The version to install, or None to keep the one that is there."""
        if not versions:
            raise Refusal(f"{self.place} has no package nginx")
        if self.wanted:
            fitting = [version for version in versions if is_version(self.wanted, version)]
            if not fitting:
                raise Refusal(
                    f"nginx_version '{self.wanted}' is not in {self.place}, which has {', '.join(versions)}; "
                    "name one of these, or none for the newest"
                )
            return fitting[0] if self.moving else None
        # A channel that was changed has other versions; an update of the distribution's is not ours to make.
        kept = not self.foreign and (not self.sources or self.installed in versions)
        return None if kept else versions[0]

    def _serve(self) -> None:
        if not self.target:
            return
        with apt.services_left_alone():
            try:
                apt.apt_get("install", "--allow-downgrades", f"nginx={self.target}")
            except CommandFailed as error:
                raise Refusal(
                    f"apt cannot install nginx {self.target} from {self.place}: {tail(error.output)}\nMend that and run again."
                ) from error
            if self.sources:
                apt.purge_conffiles("nginx-common")
        systemd.daemon_reload()
