#!/usr/bin/env python3
"""How long it takes from a fresh host to the tutorial's page: site.yml, with uWSGI's wheel on the controller or not, and the tutorial's commands."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import bed

HOST = "emperor-benchmark-first"
TUTORIAL = "tutorial"
COLD = "site, uWSGI to be built"
WARM = "site, uWSGI's wheel on the controller"


def tutorial() -> float:
    """Type the tutorial's commands."""

    def deed() -> None:
        with (Path(__file__).with_name("tutorial.sh")).open() as script:
            bed.run(["docker", "exec", "--interactive", HOST, "sh"], stdin=script)
        bed.served(HOST)

    with bed.host(HOST):
        return bed.seconds(deed)


def site(**variables: object) -> float:
    """Run site.yml."""

    def deed() -> None:
        bed.site(HOST, **variables)
        bed.served(HOST)

    with bed.host(HOST):
        return bed.seconds(deed)


def cold(cache: str) -> float:
    """Run site.yml with an empty cache of wheels, and leave uWSGI's in it."""
    shutil.rmtree(cache, ignore_errors=True)
    return site(uwsgi_emperor_cache=cache)


def main() -> None:
    """Measure, and keep the results."""
    repetitions = bed.repetitions(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Path(folder, "cache"))
        deeds = {TUTORIAL: tutorial, COLD: lambda: cold(cache), WARM: lambda: site(uwsgi_emperor_cache=cache)}
        bed.taken_in_turn(deeds, repetitions, "first_run")


if __name__ == "__main__":
    main()
