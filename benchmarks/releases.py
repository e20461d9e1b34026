#!/usr/bin/env python3
"""What a release costs an app under load: requests that are lost and the longest silence, here and with other ways to release.

One host, one app that imports for 2 seconds, the same uWSGI, nginx and load (tests/releases/load.py). A good release must be
served afterwards; a broken one, which cannot be imported, is watched as long, since with it a way may be down for good.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bed
import rows

HOST = "emperor-benchmark-releases"
OURS = "shop"  # the app's name; the other ways are those of rivals.sh
WAYS = {
    OURS: "emperor.flask",
    "restart": "rsync, restart",
    "touch": "rsync, touch",
    "symlink": "Ansistrano-like symlink, touch",
}
GOOD, BROKEN = "good", "cannot be imported"
CASES = (GOOD, BROKEN)
REST = 1  # seconds of load before a release
WATCHED = 10  # seconds of load after it
FIGURES = {"lost": "requests lost", "longest_silence": "longest silence"}
ERROR = "\nimport a_module_that_nobody_has\n"  # at the end, so that the import takes its 2 seconds first


class Bench:
    """The app's code, and the host it is released on."""

    def __init__(self, folder: Path) -> None:
        self.code, self.released = folder, 0
        shutil.copytree(bed.ROOT / "tests/fixtures/shop", folder)
        self.app = {
            "name": OURS,
            "module": "shop:app",
            "source": {"path": str(folder)},
            "server_names": [f"{OURS}.test"],
            "processes": 2,
            "threads": 16,
            "health": {"path": "/health", "timeout": 15},
            "env": {"SHOP_IMPORT_SECONDS": "2"},
        }
        bed.site(HOST, flask_apps=[self.app])
        self._script("set-up")

    def _script(self, argument: str) -> None:
        with Path(__file__).with_name("rivals.sh").open() as script:
            bed.run(["docker", "exec", "--interactive", HOST, "sh", "-s", argument], stdin=script)

    def write(self, case: str) -> str:
        """Change the code; return what the app answers once it is served."""
        self.released += 1
        (self.code / "VERSION").write_text(f"{self.released}\n")
        shop = (bed.ROOT / "tests/fixtures/shop/shop.py").read_text()
        (self.code / "shop.py").write_text(shop + ERROR if case == BROKEN else shop)
        bed.run(["docker", "exec", HOST, "rm", "-rf", "/srv/new"])
        bed.run(["docker", "cp", str(self.code), f"{HOST}:/srv/new"])
        return f"shop {self.released}"

    def release(self, way: str, case: str) -> None:
        """Release the code. A broken release must be refused here; the other ways do not look."""
        if way != OURS:
            self._script(way)
            return
        try:
            bed.ansible("ansible-playbook", HOST, "playbooks/deploy.yml", flask_apps=[self.app])
        except SystemExit as failed:
            if case == GOOD or "does not answer /health" not in str(failed):
                raise
        else:
            if case == BROKEN:
                sys.exit("a release that cannot be imported was not refused")

    def restore(self, way: str) -> None:
        """Have a good release served, whatever the last one was."""
        page = self.write(GOOD)
        self.release(way, GOOD)
        if way != OURS:
            bed.run(["docker", "exec", HOST, "systemctl", "restart", f"rival@{way}"])
        asked = (
            f"until curl --silent --header 'Host: {way}.test' http://127.0.0.1/ | grep -qx '{page}'; do sleep 0.2; done"
        )
        bed.run(["docker", "exec", HOST, "timeout", str(bed.ANSWER), "sh", "-c", asked])

    def measure(self, way: str, case: str) -> rows.Row:
        """Release under load, and count."""
        page = self.write(case)
        load = (bed.ROOT / "tests/releases/load.py").read_text()
        argv = ["docker", "exec", HOST, "timeout", "300", "python3", "-c", load, f"{way}.test"]
        client = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        pid = client.stdout.readline().strip()
        time.sleep(REST)
        self.release(way, case)
        time.sleep(WATCHED)
        bed.run(["docker", "exec", HOST, "kill", "-TERM", pid])
        seen = json.loads(client.communicate()[0])
        if (page in seen["versions"]) != (case == GOOD):
            sys.exit(f"{way}: {case}, but {page} was {'' if case == BROKEN else 'not '}served")
        counted = {"requests": seen["requests"] + seen["slow"], "lost": len(seen["failed"])}
        return {"way": way, "release": case, **counted, "longest_silence": seen["longest_silence"]}


def shown(figure: str, value: float) -> str:
    """A figure as README shows it."""
    return f"{value:,.0f}" if figure == "lost" else f"{value:.1f} s" if value >= 1 else f"{value:.2f} s"


def table() -> str:
    """README's table of the results."""
    head = [f"{case}: {figure}" for case in CASES for figure in ("lost", "silence")]
    lines = [f"| release by | {' | '.join(head)} |", f"|---{'|---:' * len(head)}|"]
    kept = rows.read("releases")
    for way, named in WAYS.items():
        cells = [
            shown(figure, rows.median(kept, figure, way=way, release=case)) for case in CASES for figure in FIGURES
        ]
        lines.append(f"| {named} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and keep the results."""
    repetitions = bed.repetitions(__doc__)
    kept = []
    with tempfile.TemporaryDirectory() as folder, bed.host(HOST):
        bench = Bench(Path(folder, "shop"))
        for _ in range(repetitions):
            for way in WAYS:
                bench.restore(way)
                for case in CASES:
                    kept.append(bench.measure(way, case))
                    print(", ".join(f"{key} {value}" for key, value in kept[-1].items()), flush=True)
                    rows.write("releases", kept)
    print(table())


if __name__ == "__main__":
    main()
