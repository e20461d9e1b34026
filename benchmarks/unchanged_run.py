#!/usr/bin/env python3
"""How long a run of site.yml takes that changes nothing, beside `ansible -m ping` and a play that sets up nginx alone."""

from __future__ import annotations

import argparse
import subprocess
from functools import partial

import bed

HOST = "emperor-benchmark-site"
NGINX_HOST = "emperor-benchmark-nginx"
PING = "ansible -m ping"
NGINX = "play for nginx alone"
SITE = "site"


def main() -> None:
    """Measure, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--fast", action="store_true", help="once; no results are kept")
    options = parser.parse_args()
    subprocess.run([bed.ROOT / "tests/images/build.sh", bed.IMAGE], check=True)
    with bed.host(HOST), bed.host(NGINX_HOST):
        deeds = {
            PING: lambda: bed.ansible("ansible", HOST, "all", "-m", "ping"),
            NGINX: lambda: bed.ansible("ansible-playbook", NGINX_HOST, "benchmarks/nginx_play.yml"),
            SITE: lambda: bed.site(HOST),
        }
        for deed in deeds.values():
            deed()  # the first time, everything changes
        timed = {name: partial(bed.seconds, deed) for name, deed in deeds.items()}
        bed.taken_in_turn(timed, *((1,) if options.fast else (options.repetitions, "unchanged_run")))


if __name__ == "__main__":
    main()
