"""Small apps as the inventory has them, and the host, which must have what that says and nothing else."""

import json
import re
import subprocess
import time
from collections import Counter

from conftest import HOST
from plays import CHECKOUT, PATIENCE
from small_app import SmallApp

ARCHIVES = "/var/lib/emperor-flask/archives"
ON_HOST = (CHECKOUT / "tests/many_apps/look.py").read_text()
HARM = ("kill", "restart")  # the app is away for a moment


class Inventory:
    """The apps in it, by name. ``jobs`` is their neighbour; ``names`` are all that apps may have."""

    def __init__(self, jobs, names):
        self.jobs, self.names = jobs, names
        self.apps, self.archives = {}, Counter()
        self.retired = set()  # numbers of accounts that are gone
        before, self.seen = None, self.look()
        while self.seen["lines"] != before:  # until what the test before has left has ended
            before, self.seen = self.seen["lines"], self.look()
        self.empty = self.seen["lines"] - self.answers()

    def put(self, app):
        """Write an app into it. Another that had its name once does not say so any more."""
        for other in self.apps.values():
            if other.had == app.name:
                other.had = None
        self.apps[app.name] = app

    def look(self):
        """What the host has, but for what ends an old vassal by force, what a slice was told while it ran, and what the system's timers leave."""
        asked = [question for name in self.names for question in SmallApp(name).asked()]
        argv = ["docker", "exec", HOST, "python3", "-c", ON_HOST, json.dumps(asked)]
        seen = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        there = "|".join(re.escape(SmallApp(name).unit) for name in (self.jobs.name, *self.apps))
        aside = rf"emperor-end-({there})-|system\.control/emperor-({there})\.slice|/run/systemd/[^/]*$|/var/lib/logrotate/|{ARCHIVES}$"
        return seen | {"lines": Counter(line for line in seen["lines"] if not re.search(aside, line))}

    def answers(self, besides=None):
        """What all names answer, those of the apps and those that are free."""
        apps = [self.apps.get(name) or SmallApp(name) for name in self.names]
        return Counter(line for app in apps if app.name != besides for line in app.answers())

    def wanted(self):
        """All that the host has to have."""
        return (
            self.empty
            + self.archives
            + self.answers()
            + Counter(line for app in self.apps.values() for line in app.lines())
        )

    def check(self, deed, name):
        """Look whether the host follows a deed, and whether nobody but its app has noticed anything."""
        seen, before = self.look(), self.seen
        for other in {self.jobs.name, *self.apps} & before["processes"].keys() - {name}:
            assert sorted(seen["processes"][other]) == sorted(before["processes"][other]), f"{other} was not left alone"
        at_once = self.answers(besides=name if deed in HARM else None)
        assert at_once - seen["lines"] == Counter()
        # Old vassals and workers end by themselves, and what was killed comes back.
        deadline = time.monotonic() + PATIENCE
        while (missing := self.wanted() - seen["lines"]) or seen["lines"] - self.wanted():
            left = seen["lines"] - self.wanted()
            assert time.monotonic() < deadline, f"missing: {sorted(missing)}\ntoo much: {sorted(left)}"
            time.sleep(1)
            seen = self.look()
        gone = before["numbers"].keys() - seen["numbers"].keys()
        self.retired |= {before["numbers"][account] for account in gone}
        assert self.retired.isdisjoint(seen["numbers"].values()), "an account has the number of one that is gone"
        self.seen = seen

    def deploy(self, *leaving, **variables):
        """Let the host have the apps; ``leaving`` are entries of those that are to be absent."""
        self.jobs.others = [*(app.entry for app in self.apps.values()), *leaving]
        return self.jobs.deploy(**variables)
