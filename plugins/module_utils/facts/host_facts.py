# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What only the host knows, read before anything on it is changed."""

from __future__ import annotations

import functools
import grp
import os
import platform
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import PurePath
from typing import cast

from ansible_collections.emperor.flask.plugins.module_utils.host import apt, successions, users
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import link_target, names_in
from ansible_collections.emperor.flask.plugins.module_utils.host.reading import sha256
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import applied

PROBE = "import sys; print('%d.%d' % sys.version_info[:2], sys.base_prefix)"
HOMES = ("/home", "/root", "/run/user")  # what the box hides (ProtectHome=)
UWSGI_ROOT = "/opt/uwsgi"
SITES = "/etc/nginx/conf.d"
CAP_SYS_RESOURCE = 1 << 24  # capabilities(7)
NGINX_KEYS = "/etc/apt/keyrings/nginx-org.asc"
NGINX_CONF = "/etc/nginx/nginx.conf"


def system(os_release: str = "/etc/os-release") -> dict[str, str]:
    """Distribution, version and codename as os-release(5) states them. Debian testing states no version and gets its name for one."""
    with open(os_release, encoding="utf-8") as stream:
        fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', stream.read(), re.MULTILINE))
    return {
        "distribution": fields.get("ID", "").capitalize(),
        "version": fields.get("VERSION_ID", "testing"),
        "codename": fields.get("VERSION_CODENAME", ""),
    }


def kind() -> str:
    """What hosts have in common that run each other's programs: distribution, version and processor."""
    release = system()
    return "-".join([release["distribution"].lower(), release["version"], platform.machine()])


@functools.cache
def python_version(interpreter: str) -> str | None:
    """An interpreter's X.Y, or None where it is missing or does not run."""
    return _probe(interpreter)[0]


def python_behind(interpreter: str, homes: tuple[str, ...] = HOMES) -> str | None:
    """The folder that keeps apps from an interpreter: a home, or one that not every account may pass. None where they reach it."""
    prefix = _probe(interpreter)[1]
    for path in (interpreter, os.path.realpath(interpreter), os.path.realpath(prefix)) if prefix else ():
        for parent in reversed(PurePath(path).parents):
            if str(parent) in homes or not os.stat(parent).st_mode & stat.S_IXOTH:
                return str(parent)
    return None


def _probe(interpreter: str) -> tuple[str | None, str | None]:
    """An interpreter's X.Y, and the folder that its standard library is in."""
    try:
        version, _unused, prefix = run([interpreter, "-c", PROBE]).strip().partition(" ")
    except CommandFailed:
        return None, None
    return version, prefix


def facts(pythons: list[str]) -> dict[str, object]:
    """Everything the roles and their validation ask of a host."""
    return {
        **system(),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "pythons": {interpreter: python_version(interpreter) for interpreter in pythons},
        "pythons_behind": {interpreter: python_behind(interpreter) for interpreter in pythons},
        "accounts": {account.pw_name: account.pw_dir for account in pwd.getpwall()},
        "groups": users.groups(),
        "folders": sorted(os.listdir("/var/www")) if os.path.isdir("/var/www") else [],
        "sites": {name: link_target(os.path.join(SITES, name)) for name in os.listdir(SITES)}
        if os.path.isdir(SITES)
        else {},
        "nginx_keys": sha256(NGINX_KEYS) if os.path.exists(NGINX_KEYS) else None,
        "port_80": listener(80),
        "port_443": listener(443),
        "sets": applied(),
        "becoming": successions.known(),
        "packages": apt.all_installed(),
        "package_lists": apt.has_lists(),
        "lineages": lineages(),
        "somaxconn": number("/proc/sys/net/core/somaxconn"),
        "somaxconn_can_be_set": os.access("/proc/sys/net/core/somaxconn", os.W_OK),
        "open_files": open_files(),
        "cpus": os.cpu_count() or 1,
        "memory": memory(),
        "nameservers": nameservers(),
        "balancers": balancers(),
    }


def nameservers(resolv_conf: str = "/etc/resolv.conf") -> list[str]:
    """The addresses that names are looked up at, as resolv.conf(5) states them."""
    return re.findall(r"^\s*nameserver\s+(\S+)", _text(resolv_conf), re.MULTILINE)


def memory(meminfo: str = "/proc/meminfo") -> int:
    """Bytes of memory that the machine has."""
    with open(meminfo, encoding="ascii") as stream:
        return int(_found(r"^MemTotal:\s+(\d+) kB", stream.read())) * 1024


def lineages(folder: str = "/etc/letsencrypt/renewal") -> list[str]:
    """The apps that certbot renews certificates for."""
    settings = (re.fullmatch(r"emperor-(.+)\.conf", name) for name in names_in(folder))
    return [found.group(1) for found in settings if found]


def number(path: str) -> int:
    """The number in a file of proc(5)."""
    with open(path, encoding="ascii") as stream:
        return int(stream.read())


def open_files(proc: str = "/proc") -> int:
    """How many files systemd can let a service open: what the kernel allows where it may raise limits, else its own limit."""
    with open(f"{proc}/1/status", encoding="utf-8", errors="replace") as stream:
        capabilities = int(_found(r"^CapEff:\s+(\w+)", stream.read()), 16)
    if capabilities & CAP_SYS_RESOURCE:
        return number(f"{proc}/sys/fs/nr_open")
    with open(f"{proc}/1/limits", encoding="ascii") as stream:
        return int(_found(r"^Max open files\s+\d+\s+(\d+)", stream.read()))


def _found(pattern: str, text: str) -> str:
    """The group of a line that the kernel always writes."""
    return cast("re.Match[str]", re.search(pattern, text, re.MULTILINE)).group(1)


def listener(port: int, proc: str = "/proc") -> str | None:
    """The program that listens on a TCP port, with its process id, as proc(5) tells; None where nobody does."""
    sockets = {f"socket:[{inode}]" for table in ("tcp", "tcp6") for inode in _listening(f"{proc}/net/{table}", port)}
    if not sockets:
        return None
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            descriptors = os.scandir(f"{proc}/{pid}/fd")
            if any(os.readlink(descriptor.path) in sockets for descriptor in descriptors):
                with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as stream:
                    return f"{stream.read().strip()} (process {pid})"
        except OSError:
            continue  # it has ended meanwhile
    return "a program that cannot be seen from here"


def _listening(table: str, port: int) -> Iterator[str]:
    """Inodes of the listening sockets (state 0A) of a table of proc_net(5)."""
    try:
        with open(table, encoding="ascii") as stream:
            lines = stream.read().splitlines()[1:]
    except OSError:
        return
    for fields in map(str.split, lines):
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
            yield fields[9]


def balancers(nginx_conf: str = NGINX_CONF) -> list[str]:
    """The names and addresses of the balancers that the host's nginx was last told to believe, as its configuration states them in a comment."""
    found = re.search(r"^ *# Balancers of the fleet: (.+)$", _text(nginx_conf), re.MULTILINE)
    return found.group(1).split() if found else []


def nginx_group(nginx_conf: str = NGINX_CONF) -> str | None:
    """The group nginx's workers run as: named by the configuration's user directive, else the account's own."""
    found = re.search(r"^\s*user\s+([\w-]+)(?:\s+([\w-]+))?\s*;", _text(nginx_conf), re.MULTILINE)
    if not found:
        return None
    try:
        return found.group(2) or grp.getgrgid(pwd.getpwnam(found.group(1)).pw_gid).gr_name
    except KeyError:
        return None


def _text(path: str) -> str:
    """What a file of the administrator's says, in whatever encoding; empty where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def uwsgi_binary(python: str, root: str = UWSGI_ROOT) -> str | None:
    """The uWSGI that was built for a Python X.Y, of the version the Emperors run on, or None."""
    try:
        version = os.path.basename(os.readlink(os.path.join(root, "current"))).rpartition("-python")[0]
    except OSError:
        return None
    if not version.startswith("pyuwsgi-"):
        return None  # a program, from before uWSGI was a module
    binary = os.path.join(root, f"{version}-python{python}", "bin", "uwsgi")
    return binary if os.access(binary, os.X_OK) else None
