# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only the host knows, held against what the inventory asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.python.uwsgi_build import OLDEST
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import limits, renaming

# What the roles' templates ask of the kernel; unit tests hold the two equal.
QUEUE = 1024  # connections that wait for nginx, and for an app: their listening sockets' backlog
OPEN_FILES = (
    16384  # the least for each of nginx's workers; systemd gives an Emperor less than its LimitNOFILE where it must
)

SUPPORTED = {"Ubuntu": ("22.04", "24.04", "26.04"), "Debian": ("12", "13", "testing")}


def listens_for_tls(host: dict[str, Any], serves: bool) -> bool:
    """Tell whether nginx needs port 443: for an app of the inventory's, or for one that was served over TLS and may be again.

    Without its default server the site that is still live, or that a rollback brings back, would answer for every host.
    """
    return serves or key_pairs.SET in host["sets"]


def refusals(host: dict[str, Any], apps: list[dict[str, Any]]) -> list[str]:
    """Sentences that say why this host cannot take these apps; none if it can."""
    return [*_system(host), *_kernel(host), *(sentence for app in apps for sentence in _app(host, app))]


def _system(host: dict[str, Any]) -> Iterator[str]:
    if host["version"] not in SUPPORTED.get(host["distribution"], ()):
        known = ", ".join(f"{name} {' '.join(versions)}" for name, versions in SUPPORTED.items())
        yield f"this host runs {host['distribution']} {host['version']}, which is not supported; use one of {known}"


def _kernel(host: dict[str, Any]) -> Iterator[str]:
    """What is too small for the listen queues and cannot be set from here; the role nginx sets the rest."""
    if host["somaxconn"] < QUEUE and not host["somaxconn_can_be_set"]:
        yield (
            f"net.core.somaxconn is {host['somaxconn']} on this host and cannot be set from within, but nginx and each app let {QUEUE} "
            "connections wait; set it to 4096 where the host is started, such as with docker run --sysctl net.core.somaxconn=4096"
        )
    if host["open_files"] < OPEN_FILES:
        yield (
            f"services of this host may open {host['open_files']} files, but a worker of nginx needs {OPEN_FILES}; raise fs.nr_open, or the limit "
            f"that the host is started with, such as with docker run --ulimit nofile={OPEN_FILES}"
        )


def port_refusals(host: dict[str, Any], tls: bool = False) -> Iterator[str]:
    """Say which program stands where nginx is to listen, for TLS too; nginx itself may."""
    for port in (80, 443) if tls else (80,):
        holder = host[f"port_{port}"]
        if holder and not holder.startswith("nginx "):
            yield f"port {port} is held by {holder}, so nginx cannot listen on it; stop and disable that program on the host, or move it to another port"


def _app(host: dict[str, Any], app: dict[str, Any]) -> Iterator[str]:
    name, home = app["name"], f"/var/www/{app['name']}"
    if name in host["accounts"]:
        if host["accounts"][name] != home:
            yield f"app '{name}': name '{name}' is an account of the host's own, with home {host['accounts'][name]}; choose another name"
    elif name in host["groups"]:
        yield f"app '{name}': name '{name}' is a group of the host's own; choose another name"
    elif name in host["folders"]:
        yield f"app '{name}': {home} exists on the host and was not made by us; move it away or choose another name"
    yield from renaming.refusals(host, app)
    builder = f"_{name}"
    if host["accounts"].get(builder, home) != home or (builder in host["groups"] and builder not in host["accounts"]):
        yield f"app '{name}': its builds would run as '{builder}', which is an account or group of the host's own; choose another name"
    yield from (f"app '{name}': {sentence}" for sentence in limits.refusals(app, host))
    for site in (f"{name}.conf", f"000_{name}.conf"):
        if site in host["sites"] and host["sites"][site] != f"{home}/{name}_nginx.conf":
            yield f"app '{name}': /etc/nginx/conf.d/{site} exists on the host and was not made by us; move it away or choose another name"
    version, oldest = host["pythons"][app["python"]], ".".join(map(str, OLDEST))
    if version is None:
        yield f"app '{name}': python '{app['python']}' does not run on the host; install it or name another"
    elif tuple(map(int, version.split("."))) < OLDEST:
        yield f"app '{name}': python '{app['python']}' is Python {version}; needed is {oldest} or newer"
    elif behind := host["pythons_behind"][app["python"]]:
        yield (
            f"app '{name}': python '{app['python']}' lies in {behind}, which apps cannot look into; install it elsewhere, such as with "
            "uv python install --install-dir /opt/python"
        )
