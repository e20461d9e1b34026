#!/usr/bin/env python3
"""How long a run of site.yml takes that changes nothing, for one app and for many, beside `ansible -m ping` and a play that sets up nginx alone."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import bed

PING = "ansible -m ping"
NGINX = "play for nginx alone"
SITES = {1: "site", 10: "site of 10 apps", 50: "site of 50 apps"}


def main() -> None:
    """Measure, and keep the results."""
    options = bed.options(__doc__, repetitions=7, fast="one app, once; no results are kept")
    sites = {number: name for number, name in SITES.items() if number == 1 or not options.fast}
    with ExitStack() as hosts:
        nginx = hosts.enter_context(bed.host("emperor-benchmark-nginx"))
        deeds = {
            PING: lambda: bed.ansible("ansible", nginx, "all", "-m", "ping"),
            NGINX: lambda: bed.ansible("ansible-playbook", nginx, "benchmarks/nginx_play.yml"),
        }
        for number, name in sites.items():
            host = hosts.enter_context(bed.host(f"emperor-benchmark-site-{number}"))
            deeds[name] = partial(bed.site, host, flask_apps=_apps(number))
        for deed in deeds.values():
            deed()  # the first time, everything changes
        timed = {name: partial(bed.seconds, deed) for name, deed in deeds.items()}
        bed.taken_in_turn(timed, *((1,) if options.fast else (options.repetitions, "unchanged_run")))


def _apps(number: int) -> list[dict[str, object]]:
    code = {"path": str(bed.ROOT / "examples/demoapp")}
    names = [f"app-{index}" for index in range(number)]
    return [{"name": name, "module": "hello:app", "source": code, "server_names": [f"{name}.test"]} for name in names]


if __name__ == "__main__":
    main()
