# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app's place among nginx's sites: tested in a copy of the whole configuration first, linked, and loaded."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import (
    CommandFailed,
    Refusal,
    pass_on_warnings,
    run,
    tail,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    link_target,
    names_in,
    remove,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import reloader

NGINX = "/etc/nginx"
SITES = os.path.join(NGINX, "conf.d")
DEFAULT_SERVER = os.path.join(SITES, "00_default.conf")
CERTIFICATES = os.path.join(NGINX, "certificates")
OURS = re.compile(r".*/([a-z0-9_-]+)/\1_nginx\.conf")  # where an app's link leads
SERVER_NAME = re.compile(r"^\s*server_name\s([^;]*);", re.MULTILINE)
LISTENS_FOR_TLS = re.compile(r"^\s*listen\s+(\S*:)?443\b", re.MULTILINE)


def test(layout: Layout, nginx_conf: str, default_server: bool, old: Layout | None = None) -> None:
    """Let nginx read its whole configuration with this site in it, and without that of ``old``, before anything is switched.

    Raise Refusal with what it says.
    """
    if LISTENS_FOR_TLS.search(nginx_conf):
        check_default_server()
    with tempfile.TemporaryDirectory(prefix="emperor-nginx-") as scratch:
        copy = os.path.join(scratch, "nginx")
        with host_lock():  # none is copied that is half changed
            shutil.copytree(NGINX, copy, symlinks=True, ignore=_keys)
        for wanted in (True, False):
            if old:
                remove(os.path.join(copy, "conf.d", os.path.basename(old.site(wanted))))
            name = os.path.join(copy, "conf.d", os.path.basename(layout.site(wanted)))
            remove(name)
            if wanted == default_server:
                with open(name, "w", encoding="utf-8") as stream:
                    stream.write(nginx_conf)
                site = name
        try:
            said = run(["nginx", "-t", "-q", "-c", os.path.join(copy, "nginx.conf")])
            pass_on_warnings(said.replace(site, f"the nginx.conf of app '{layout.name}'").replace(copy, NGINX))
        except CommandFailed as error:
            _check_without()
            said = error.output.replace(site, "its nginx.conf").replace(copy, NGINX)
            raise Refusal(f"nginx refuses the site: {tail(said)}\n{remedy(said)}") from error


def _check_without() -> None:
    """Raise Refusal where nginx refuses the configuration of the host as it is, without the new site."""
    try:
        run(["nginx", "-t", "-q"])
    except CommandFailed as error:
        raise Refusal(
            f"nginx refuses the configuration that is on the host already: {tail(error.output)}\n"
            "Somebody has changed it by hand. Correct it, or run site.yml where the file is a role's; nginx serves on with what it has read"
        ) from error


def remedy(said: str) -> str:
    """What to do about a site that nginx refuses."""
    if 'unknown "emperor_' in said or 'zone "emperor_' in said:
        return (
            "The host's nginx.conf is older than this site: apply the role emperor.flask.nginx first (site.yml). "
            "A template of yours in its place (nginx_config_template) must state that variable or zone."
        )
    if '"quic"' in said:
        return "This nginx was built without HTTP/3: say nginx_http3: false, or take nginx from nginx.org."
    return "Correct nginx_extra, or what else changed."


def _keys(folder: str, names: list[str]) -> list[str]:
    """What is not copied: sites name their certificates by absolute paths, and keys have no business elsewhere."""
    return [name for name in names if os.path.join(folder, name) == CERTIFICATES]


def check_default_server(path: str = DEFAULT_SERVER) -> None:
    """Raise Refusal where port 443 has no default server: then an app's site would be it, and answer for every host."""
    text = Snapshot.take(path).text
    if not LISTENS_FOR_TLS.search(text):
        raise Refusal(
            "nginx has no default server on port 443 yet; apply the role emperor.flask.nginx first (site.yml). "
            "A template of yours (nginx_default_server_template) must have a server that listens there"
        )


def is_linked(layout: Layout, default_server: bool) -> bool:
    """Tell whether exactly the right link stands among nginx's sites, nginx has read it, and runs."""
    return _is_right(layout, default_server) and not reloader.is_due()


def _is_right(layout: Layout, default_server: bool) -> bool:
    right = link_target(layout.site(default_server)) == layout.nginx_conf
    return right and not os.path.lexists(layout.site(not default_server))


def names_of_others(apps: Collection[str], sites: str = SITES) -> dict[str, str]:
    """The server names, in small letters, that apps answer for whose sites nginx reads, by name: that app. Not those of ``apps``."""
    found: dict[str, str] = {}
    for name in names_in(sites):
        owner = OURS.fullmatch(link_target(os.path.join(sites, name)) or "")
        if owner and owner.group(1) not in apps:
            text = (Snapshot.take(os.path.realpath(owner.group(0))).content or b"").decode(errors="replace")
            words = " ".join(SERVER_NAME.findall(text)).lower().split()
            found |= dict.fromkeys(words, owner.group(1))
    return found


def stands(layout: Layout) -> bool:
    """Tell whether a link of the app's is among nginx's sites."""
    return any(link_target(layout.site(default)) == layout.nginx_conf for default in (True, False))


def link(layout: Layout, default_server: bool) -> None:
    """Put the site's link among nginx's; the reloader makes nginx read it."""
    if not _is_right(layout, default_server):
        with reloader.changing():
            replace_link(layout.site(default_server), layout.nginx_conf)
            remove(layout.site(not default_server))


def withdraw(layout: Layout) -> None:
    """Take the site away from nginx, so that nothing asks for what is about to go."""
    unlink(layout)
    reloader.load()


def unlink(layout: Layout) -> None:
    """Take the site's link away; the reloader makes nginx forget it."""
    if stands(layout):
        with reloader.changing():
            for default in (True, False):
                remove(layout.site(default))


def is_closed(layout: Layout) -> bool:
    """Tell whether nginx answers that the app is closed for maintenance."""
    return os.path.exists(layout.maintenance)


def close(layout: Layout, closed: bool) -> bool:
    """Close the app for maintenance or open it, from the next request on; tell whether anything changed."""
    if not os.path.isdir(layout.home):
        raise Refusal("it is not on this host; deploy it first")
    if is_closed(layout) == closed:
        return False
    if closed:
        replace_file(layout.maintenance, b"", Access(0o644))
    else:
        remove(layout.maintenance)
    return True
