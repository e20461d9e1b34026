# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where everything of an app stands on a host, and who may read and write it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.box import slice_of
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access

COMPLETE = "emperor-complete"  # stands in a virtual environment that was finished


@dataclass(frozen=True)
class Layout:
    """The paths of one app. ``root`` is / on a host; unit tests give another folder."""

    name: str
    root: str = "/"

    def _at(self, *parts: str) -> str:
        return os.path.join(self.root, *parts)

    @property
    def home(self) -> str:
        """The app's folder, also its user's home."""
        return self._at("var/www", self.name)

    @property
    def vassals(self) -> str:
        """The folder its Emperor watches."""
        return self._at("etc/uwsgi/vassals", self.name)

    @property
    def logs(self) -> str:
        """The folder of its logs."""
        return self._at("var/log/uwsgi", self.name)

    @property
    def sites(self) -> str:
        """The folder of nginx's sites."""
        return self._at("etc/nginx/conf.d")

    @property
    def certificates(self) -> str:
        """The folder of its certificate and key."""
        return self._at("etc/nginx/certificates", self.name)

    @property
    def uwsgi(self) -> str:
        """The folder of uWSGI's trees; one for each Python, all apps have them in common."""
        return self._at("opt/uwsgi")

    @property
    def unit(self) -> str:
        """Its Emperor."""
        return f"uwsgi-emperor@{self.name}.service"

    @property
    def slice_unit(self) -> str:
        """The unit file of its slice."""
        return self._at("etc/systemd/system", slice_of(self.name))

    @property
    def drop_ins(self) -> str:
        """The folder of what its Emperor has beside the template unit."""
        return self._at("etc/systemd/system", f"{self.unit}.d")

    @property
    def run(self) -> str:
        """The folder of its sockets."""
        return os.path.join(self.home, "run")

    @property
    def bench(self) -> str:
        """The folder that its code and packages are built in; it is root's."""
        return os.path.join(self.home, "build")

    @property
    def builder(self) -> str:
        """The account that builds; no app can have this name."""
        return f"_{self.name}"

    @property
    def codes(self) -> str:
        """The store of code."""
        return os.path.join(self.home, "code")

    @property
    def venvs(self) -> str:
        """The store of virtual environments."""
        return os.path.join(self.home, "venvs")

    @property
    def statics(self) -> str:
        """The store of the files that nginx serves itself."""
        return os.path.join(self.home, "static")

    @property
    def releases(self) -> str:
        """The folder of its releases."""
        return os.path.join(self.home, "releases")

    @property
    def shared(self) -> str:
        """The folder of what survives releases."""
        return os.path.join(self.home, "shared")

    @property
    def lock(self) -> str:
        """The lock of its releases, outside of its folder, which may be taken away."""
        return self._at("var/lib/emperor-flask/locks", self.name)

    @property
    def state(self) -> str:
        """The folder of what root remembers of it, root's alone and made when it is needed."""
        return self._at("var/lib/emperor-flask/apps", self.name)

    @property
    def counter(self) -> str:
        """The number of the last activation that was given."""
        return os.path.join(self.state, "activation")

    @property
    def secrets(self) -> str:
        """The folder of its secrets, a file an activation."""
        return os.path.join(self.home, "secrets")

    @property
    def current(self) -> str:
        """Link to the live release."""
        return os.path.join(self.home, "current")

    @property
    def socket(self) -> str:
        """Link to the live vassal's socket; nginx knows only this name."""
        return os.path.join(self.home, f"{self.name}_uwsgi.sock")

    @property
    def log(self) -> str:
        """The vassals' log."""
        return os.path.join(self.logs, f"{self.name}_uwsgi.log")

    @property
    def emperor_log(self) -> str:
        """The Emperor's log."""
        return os.path.join(self.logs, "emperor.log")

    @property
    def nginx_conf(self) -> str:
        """Link to the live release's nginx.conf, in the app's folder."""
        return os.path.join(self.home, f"{self.name}_nginx.conf")

    @property
    def uwsgi_ini(self) -> str:
        """Link to the live release's uwsgi.ini, in the app's folder."""
        return os.path.join(self.home, f"{self.name}_uwsgi.ini")

    @property
    def maintenance(self) -> str:
        """The file that closes the app: nginx looks for it with every request."""
        return os.path.join(self.home, "maintenance")

    def code(self, digest: str) -> str:
        """The code of this digest."""
        return os.path.join(self.codes, digest)

    def interpreter(self, venv: str) -> str:
        """The Python of a virtual environment, by its digest."""
        return os.path.join(self.venv(venv), "bin", "python")

    def venv(self, digest: str) -> str:
        """The virtual environment of this digest."""
        return os.path.join(self.venvs, digest)

    def static(self, name: str) -> str:
        """The static files of this digest, or one of the links that lead nginx to them."""
        return os.path.join(self.statics, name)

    def release(self, identity: str) -> str:
        """The folder of a release."""
        return os.path.join(self.releases, identity)

    def site(self, default_server: bool) -> str:
        """The site's link among nginx's. The name of the default server's sorts before the catch-all's: nginx takes an address's first server."""
        return os.path.join(self.sites, f"000_{self.name}.conf" if default_server else f"{self.name}.conf")

    def directories(self, nginx_group: str) -> dict[str, Access]:
        """Every folder with its owner and mode, parents first (DESIGN.md, section 2). The folders are the gate: what is within is world-readable."""
        app = self.name
        inside = Access(0o750, "root", app)
        return {
            self.home: Access(0o751),
            self.bench: Access(0o700),
            self.codes: inside,
            self.venvs: inside,
            self.statics: Access(0o750, "root", nginx_group),
            self.releases: inside,
            self.secrets: inside,
            self.shared: Access(0o750, app, app),
            self.run: Access(0o2750, app, nginx_group),
            self.vassals: inside,
            self.logs: Access(0o751, "root", "adm"),
        }

    def log_files(self) -> dict[str, Access]:
        """The logs with their owner and mode. Their folder is root's: an app that owned it could stop logrotate for all apps."""
        return {path: Access(0o640, self.name, "adm") for path in (self.log, self.emperor_log)}
