# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take an app away completely. Whatever it started is ended first: it could write into what is removed, and outlive its own account."""

from __future__ import annotations

import os
import threading
from contextlib import nullcontext

from ansible_collections.emperor.flask.plugins.module_utils.background import handover
from ansible_collections.emperor.flask.plugins.module_utils.host import box, slices, systemd, users
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal, run, succeeds
from ansible_collections.emperor.flask.plugins.module_utils.host.files import names_in, remove, remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.release import shared_archive
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage
from ansible_collections.emperor.flask.plugins.module_utils.vassal import emperor_exchange

# Where any account of a host may leave something, or have something left for it.
SHARED = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/dev/mqueue",
    "/run/lock",
    "/run/user",
    "/var/crash",
    "/var/mail",
    "/var/spool/cron",
)
# Apps go beside each other; of two whose files are kept, the second has the room that the first leaves.
keeping = threading.Lock()
IPC = {"shm": "--shmem-id", "msg": "--queue-id", "sem": "--semaphore-id"}  # tables of proc(5), options of ipcrm(1)


def remove_all(layout: Layout, keep_shared: bool) -> str | None:
    """Take an app away: first from nginx, then all that runs for it, its files, and its accounts last. Raise Refusal if something stays.

    Where its shared files are kept, return the path of their archive.
    """
    with keeping if keep_shared and names_in(layout.shared) else nullcontext():
        return _remove_all(layout, keep_shared)


def _remove_all(layout: Layout, keep_shared: bool) -> str | None:
    shared_archive.clear(layout)  # it may have taken the room
    if keep_shared:
        shared_archive.require_room(layout)
    accounts = {name: users.number_of(name, layout.home) for name in (layout.name, layout.builder)}
    numbers = {number for number in accounts.values() if number is not None}
    site.withdraw(layout)
    Lineage(layout.name).forget()
    systemd.disable_now(layout.unit)
    emperor_exchange.abandon(layout)
    handover.remove_all(layout)
    slices.remove_all(layout)
    handover.forget(layout)
    systemd.stop(f"emperor-end-{box.escaped(layout.name)}-*.timer")
    if numbers:
        users.end_all(numbers)
        _sweep(numbers)
    archive = shared_archive.keep(layout) if keep_shared else None
    for name in accounts:
        remove(os.path.join("/var/lib/systemd/linger", name))
    for folder in (layout.vassals, layout.home, layout.logs, layout.certificates):
        remove_tree(folder)
    with host_lock():
        for name in accounts:
            users.unmake(name, layout.home)
    remove_tree(layout.state)
    remove(layout.lock)
    return archive


def _sweep(numbers: set[int], proc: str = "/proc/sysvipc") -> None:
    """Remove what these accounts have left where any may: files, crontabs, at-jobs, and shared memory, queues and semaphores."""
    owners = [part for number in numbers for part in ("-o", "-uid", str(number))][1:]
    places = [place for place in SHARED if os.path.isdir(place)]
    # Not in what a service has for itself alone: there another app could put a link in a folder's place meanwhile. Each folder is entered
    # before something in it is removed (-execdir), and rm follows no link.
    found = [
        "find",
        *places,
        "-ignore_readdir_race",
        "-xdev",
        "-name",
        "systemd-private-*",
        "-prune",
        "-o",
        "(",
        *owners,
        ")",
    ]
    succeeds([*found, "-execdir", "rm", "-rf", "--one-file-system", "--", "{}", "+", "-prune"])
    left = run([*found, "-print"]).split("\n")[:-1]
    if left:
        raise Refusal(f"{ascii(left[0])} belongs to it and cannot be removed; remove it and run again")
    for kind, option in IPC.items():
        for number in _objects(os.path.join(proc, kind), numbers):
            run(["ipcrm", option, number])


def _objects(table: str, numbers: set[int]) -> list[str]:
    """The ids of System V objects that belong to one of these accounts, or were made by it."""
    with open(table, encoding="ascii") as stream:
        names, *rows = [line.split() for line in stream]
    wanted = [names.index(name) for name in ("uid", "cuid")]
    identity = next(index for index, name in enumerate(names) if name in ("shmid", "msqid", "semid"))
    return [row[identity] for row in rows if numbers & {int(row[index]) for index in wanted}]
