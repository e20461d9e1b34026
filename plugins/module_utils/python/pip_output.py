# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What made a pip fail, found in what it printed: the requirement, and the lines that name the missing tool, header or version."""

from __future__ import annotations

import re
from typing import cast

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import tail

COLLECTING = re.compile(r"^Collecting (.+)$", re.MULTILINE)  # of pip itself: a build's own is indented
NOT_BUILT = re.compile(r"^ *(?:ERROR: Failed building wheel for|Failed to build) ([\w.-]+)", re.MULTILINE)
MISMATCH = re.compile(r"DO NOT MATCH THE HASHES.*\n +(\S+) from ")
WITHIN_LAST = re.compile(r"status 'error'|^ERROR: Exception:|Cannot find command", re.MULTILINE)
CAUSE = re.compile(r"(?:^|: )(?:fatal )?[eE]rror: |^ERROR: |: not found$|undefined reference|cannot find -l")
RAISED = re.compile(
    r"^(?:\w+\.)*\w*(?:[a-z]Error|Exception|Unavailable): "
)  # an exception of Python: the last one counts
NO_CAUSE = re.compile(
    r"error: (?:subprocess-exited-with-error|metadata-generation-failed|legacy-install-failure|failed-wheel-build-for-install)"
    r"|ERROR: (?:Failed building wheel|Failed to build|ResolutionImpossible|No matching distribution|Exception:)"
)
LONGEST, HEAD, END = (
    300,
    200,
    95,
)  # characters of a line: a list of versions, or a compiler's command, can have thousands


def cause_first(output: str) -> str:
    """The requirement that failed and why, then the end of the output without what was said already."""
    causes = _causes(output)
    requirement = _requirement(output)
    if not causes:
        return "\n".join([*([f"{requirement} failed:"] if requirement else []), tail(output)])
    said = [_short(line) for line in causes]
    said[0] = f"{requirement}: {said[0]}" if requirement else said[0]
    rest = [line for line in tail(output).splitlines() if line.strip() not in causes]
    return "\n".join([*said, *(["The end of what pip said:", *rest] if any(map(str.strip, rest)) else [])])


def _causes(output: str) -> list[str]:
    """The first of the lines that name a cause, where compilers name the header, and the last two, where builds sum up."""
    lines = [line.strip() for line in output.splitlines()]
    raised = [line for line in lines if RAISED.match(line)][-1:]
    found = list(
        dict.fromkeys(line for line in lines if line in raised or CAUSE.search(line) and not NO_CAUSE.match(line))
    )
    return found[:1] + found[1:][-2:]


def _requirement(output: str) -> str | None:
    """The requirement as pip says it, with the file that asks for it; None where the cause names it or pip was not at any."""
    named = MISMATCH.search(output) or NOT_BUILT.search(output)
    collected = COLLECTING.findall(output)
    if named:
        return next((one for one in collected if _name(one) == _name(named[1])), named[1])
    return collected[-1] if collected and WITHIN_LAST.search(output) else None


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", cast("re.Match[str]", re.match(r"[\w.-]*", requirement))[0]).lower()


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"{line[:HEAD]} ... {line[-END:]}"
