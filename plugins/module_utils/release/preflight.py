# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a host has room for a second vassal: disk for code and packages, memory beside the live one, a queue for its requests; and
whether the app keeps larger files than it may write from now on.

Asked before anything is made.
"""

from __future__ import annotations

import os
import re

from ansible_collections.emperor.flask.plugins.module_utils.host import jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import hooks, manifest
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

MIB = 1024 * 1024
SPARE = 64 * MIB  # bytes of the disk that a release leaves free, for logs and everything else


def check(layout: Layout, release: Release, archive: str | None, live: Activation | None) -> None:
    """Raise Refusal where something is lacking for a release beside the live one; ``archive`` is the code, where the host lacks it."""
    code = 0 if archive is None else 6 * os.path.getsize(archive)  # unpacked and byte-compiled
    venv = 0
    if not os.path.isdir(layout.venv(release.venv)):
        venv = size(os.path.join(layout.current, "venv", "")) or SPARE
    check_disk(layout.codes, code)
    check_disk(layout.venvs, code + venv)
    check_queue(release.uwsgi_ini)
    if live and _may_write_less(layout, live, release.manifest["limits"]["log"]):
        check_files(layout, release)


def beside(layout: Layout) -> int:
    """Bytes of memory that a second vassal takes: as many as the live one; 0 where there is none."""
    live = activations.live(layout)
    return resident(activations.processes(layout, live)) if live else 0


def without_room(needed: dict[str, int], meminfo: str = "/proc/meminfo") -> dict[str, str]:
    """Which apps the host has no memory for, swap included, and why, by name. ``needed`` is what a second vassal of each takes, in bytes.

    Those of all run until the last of them is healthy. The room goes to those that need least of it, so that none that has grown keeps others from
    their releases.
    """
    with open(meminfo, encoding="ascii") as stream:
        kilobytes = dict(re.findall(r"^(\w+):\s+(\d+)", stream.read(), re.MULTILINE))
    free = (int(kilobytes["MemAvailable"]) + int(kilobytes["SwapFree"])) * 1024
    refused = {}
    for name, own in sorted(needed.items(), key=lambda entry: entry[1]):
        if own > free:
            refused[name] = (
                f"the host has {free // MIB} MiB of memory left and a second vassal beside the live one takes {own // MIB} MiB; "
                "lower processes, release it alone (-e app=), or give the host more"
            )
        else:
            free -= own
    return refused


def _may_write_less(layout: Layout, live: Activation, bytes_from_now: int) -> bool:
    """Tell whether a release lowers the limit of files, or the live one was started before there was any."""
    try:
        before = manifest.read(layout, live.release)
    except (FileNotFoundError, manifest.Unknown):
        return True
    return bool(before["unlimited"] or bytes_from_now < before["limits"]["log"])


def check_files(layout: Layout, release: Release) -> None:
    """Raise Refusal where the app keeps a file that is larger than it may write from now on: it could not extend it."""
    most = release.manifest["limits"]["log"]
    job = jobs.hook(layout, "look", release.identity, release.manifest, "/")
    look = (
        f"find {layout.shared} -xdev -type f -size +{most}c -print -quit 2>/dev/null || :"  # whatever it may not read
    )
    found = jobs.run_job(job, [*hooks.SHELL, look])
    if found:
        raise Refusal(
            f"limits.log lets the app write files of {most // MIB}M at most, but it keeps a larger one, {ascii(found.strip())}; raise limits.log"
        )


def check_disk(folder: str, needed: int) -> None:
    """Raise Refusal unless the disk of ``folder`` has this many bytes beside the spare ones."""
    there = os.statvfs(folder)
    free = there.f_bavail * there.f_frsize
    if free < needed + SPARE:
        raise Refusal(
            f"the disk of {folder} has {free // MIB} MiB left and the release needs {(needed + SPARE) // MIB} MiB; "
            "make room, or lower keep_releases [disk]"
        )


def check_queue(uwsgi_ini: str, somaxconn: str = "/proc/sys/net/core/somaxconn") -> None:
    """Raise Refusal unless the kernel lets as many connections wait as the vassal asks for: uWSGI would not start."""
    asked = max(map(int, re.findall(r"^listen = (\d+)$", uwsgi_ini, re.MULTILINE)), default=0)
    with open(somaxconn, encoding="ascii") as stream:
        most = int(stream.read())
    if most < asked:
        raise Refusal(
            f"its queue is to hold {asked} connections (listen), but the kernel lets {most} wait (net.core.somaxconn); apply the role "
            "emperor.flask.nginx (site.yml), which sets 4096, or ask for fewer in vassal_extra.listen"
        )


def size(top: str) -> int:
    """Bytes of the files in a folder; 0 where there is none."""
    total, folders = 0, [top] if os.path.isdir(top) else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def resident(pids: list[int]) -> int:
    """Bytes of memory that processes have for themselves or share, each part counted once (PSS)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
                found = re.search(r"^Pss:\s+(\d+)", stream.read(), re.MULTILINE)
        except OSError:  # it has just ended
            continue
        total += int(found.group(1)) * 1024 if found else 0
    return total
