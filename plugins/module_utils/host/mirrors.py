# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of apt's mirrors does not answer. python-apt says no more than that something failed, if it says anything at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run

LISTS = "/var/lib/apt/lists"
STAMP = "/var/lib/apt/periodic/update-success-stamp"
# "E: Failed to fetch https://mirror/debian/dists/bookworm/InRelease  reason"
FAILED = re.compile(r"^[EW]: Failed to fetch (?P<mirror>\S+?)/?(?:/dists/\S+)?  +(?P<reason>.+)$", re.MULTILINE)
REMEDY = (
    "Correct prerequisites_apt_mirror, prerequisites_proxy or the host's own sources, or mend what does not answer."
)


def unanswered() -> str | None:
    """Ask every mirror once, beside the host's package lists; say which did not answer, why and after how long, or None."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="emperor-lists-") as lists:
        os.chmod(lists, 0o755)  # apt fetches as the user _apt
        try:
            # "any": apt takes a mirror that does not answer for a passing trouble, warns, and ends without an error.
            options = ["APT::Update::Error-Mode=any", "Acquire::Retries=0", f"Dir::State::Lists={lists}"]
            run(
                ["apt-get", "update", *(part for option in options for part in ("--option", option))],
                env={**os.environ, "LC_ALL": "C"},
            )
        except CommandFailed as error:
            return told(error.output, time.monotonic() - started)
    return None


def told(output: str, seconds: float) -> str | None:
    """What apt's words about mirrors mean; None if they are about something else."""
    reasons: dict[str, str] = {}
    for match in FAILED.finditer(output):
        reasons.setdefault(match["mirror"], match["reason"].strip())  # what comes after it, comes of it
    if not reasons:
        return None
    lines = [
        f"no package lists from the apt mirror {mirror} within {seconds:.0f} seconds: {reason}"
        for mirror, reason in reasons.items()
    ]
    return "\n".join([*lines, REMEDY])


def forget_lists() -> None:
    """Let the next run fetch the package lists, whatever a failed update has left."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(LISTS, (0, 0))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(STAMP)
