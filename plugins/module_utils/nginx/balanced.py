# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers that a balancer sends requests to: a file for each, which every upstream of an app on it includes.

A file says whether its server takes requests, and nothing else does: what was taken out stays out until it is taken back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, Snapshot, names_in
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record, Transaction

SET = "load_balancer"
FOLDER = "/etc/nginx/emperor_servers"
SUFFIX = ".conf"
# After a failure a server gets no request for 5 seconds; the next one that it gets is repeated elsewhere if it fails.
TAKES, OUT = "max_fails=1 fail_timeout=5s", "down"
LINE = re.compile(r"^server (\S+) (.+);$", re.MULTILINE)
CHECK, SERVICE = ["nginx", "-t"], "nginx.service"


def path(server: str, folder: str = FOLDER) -> str:
    """The file of a server."""
    return os.path.join(folder, server + SUFFIX)


def states(folder: str = FOLDER) -> dict[str, bool]:
    """By name, whether a server takes requests."""
    names = [name[: -len(SUFFIX)] for name in names_in(folder) if name.endswith(SUFFIX)]
    found = {name: LINE.search(Snapshot.take(path(name, folder)).text) for name in names}
    return {name: bool(line and line.group(2) != OUT) for name, line in found.items()}


def configured(
    sites: list[File], addresses: dict[str, str], apps: dict[str, list[str]], level: Collection[str]
) -> Transaction:
    """What sends requests for the apps to the servers that have each. A server that is new takes some only where it is among those that are level.

    ``addresses`` are host:port by name. Raise Refusal where an app is new and would have no server.
    """
    known = states()
    takes = {name: name in level or known.get(name, False) for name in addresses}
    standing = "".join(Snapshot.take(site.path).text for site in sites)
    for app, servers in apps.items():
        if not any(takes[server] for server in servers) and f"upstream emperor_{app} " not in standing:
            raise Refusal(
                f"app '{app}': none of its servers ({', '.join(servers)}) takes requests yet: each begins to when a run has brought it level; "
                "run again without --limit, or with the servers and the balancers in it"
            )
    files = [_file(name, address, takes[name]) for name, address in addresses.items()]
    return Transaction(
        Record.load(SET), [*sites, *files], directories={FOLDER: Access(0o755)}, check=CHECK, service=SERVICE
    )


def exchanged(
    servers: Collection[str], takes: bool, least: int = 0, answering: dict[str, list[str]] | None = None
) -> Transaction:
    """What takes servers out, or back. Raise Refusal where fewer than ``least`` would be left that take requests.

    ``answering`` are the servers that answer for each app, where that was asked: no others count then.
    """
    record, known = Record.load(SET), states()
    after = {**known, **{name: takes for name in servers if name in known}}
    for app, able in {"": list(after), **(answering or {})}.items():
        left = [name for name in able if after.get(name)]
        if not takes and len(left) < least and after != known:
            what = f" for app '{app}'" if app else ""
            raise Refusal(
                f"{', '.join(servers)} cannot be taken out: {', '.join(left) or 'nobody'} would be left{what}, but fleet_min_healthy is {least}; "
                "bring the other servers up first (emperor.flask.doctor, emperor.flask.deploy), or lower it"
            )
    files = []
    for owned in record.owned:
        now = Snapshot.take(owned)
        name, line = os.path.basename(owned)[: -len(SUFFIX)], LINE.search(now.text)
        if os.path.dirname(owned) == FOLDER and line and after[name] != known[name]:
            files.append(_file(name, line.group(1), after[name]))
        elif now.content is not None:
            files.append(File(owned, now.content, Access(now.mode & 0o7777)))
    return Transaction(record, files, check=CHECK, service=SERVICE if files else None)


def _file(name: str, address: str, takes: bool) -> File:
    text = (
        f"# Managed by emperor.flask (role load_balancer): whether {name} takes requests.\n"
        f"server {address} {TAKES if takes else OUT};\n"
    )
    return File(path(name), text.encode(), Access(0o644))
