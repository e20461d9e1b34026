# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watch what an app answers after a switch, before the other hosts of a fleet follow."""

from __future__ import annotations

import time

from ansible_collections.emperor.flask.plugins.module_utils.host import answers
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal

BEFORE = (300, 30, 3)  # seconds before the switch that the answers are compared with: of a busy log fewer can be read
SHARE = 0.01  # of the answers that may be 5xx even where none was before
PLENTY = 20  # answers of 5xx
INTERVAL = 1  # seconds between two looks


def watch(name: str, seconds: int) -> str:
    """Look for that long at an app's answers; return a sentence of what was seen, or raise Refusal where too many are 5xx.

    Too many are more than one in a hundred, more than twice the share of the minutes before, and more than one alone. Where more than PLENTY
    are, the rest of the time is not waited for.
    """
    began, following = time.time(), answers.Following()
    compared, requests, errors = _before(name, began)
    most = max(SHARE, 2 * errors / requests if requests else 0)
    while True:
        time.sleep(INTERVAL)
        now, failed = following.look().get(name, (0, 0))
        over = time.time() >= began + seconds
        if failed > (1 if over else PLENTY) and failed > most * now:
            raise Refusal(
                f"{failed} of {now} requests were answered with 5xx since the switch, {errors} of {requests} in the {compared} seconds before it; "
                "it goes back. Its log says why"
            )
        if over:
            return f"{now} requests in {seconds} seconds, {failed} of them answered with 5xx"


def _before(name: str, moment: float) -> tuple[int, int, int]:
    """The longest time before a moment that can be counted, in seconds, and an app's requests in it, with those answered with 5xx."""
    for seconds in BEFORE:
        if (counted := answers.by_app(moment - seconds)) is not None:
            return seconds, *counted.get(name, (0, 0))
    return 0, 0, 0
