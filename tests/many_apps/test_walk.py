"""A random walk: apps come, change, break and go in any order, and after each step the host is what the inventory says, and nothing else.

EMPEROR_STEPS says how many steps, EMPEROR_SEED repeats a walk.
"""

import json
import os
import random
import re
import subprocess
import time
from collections import Counter

from conftest import HOST
from plays import CHECKOUT, PATIENCE, on
from small_app import TRAITS, SmallApp, State

STEPS = int(os.environ.get("EMPEROR_STEPS", "10"))
SEED = int(os.environ.get("EMPEROR_SEED") or random.randrange(10**6))
NAMES = ("sea", "sea-side", "sea_side", "sea-side-2", "seaside", "side")  # some begin as others do
SETTLING = (
    40  # seconds until what ends by itself has ended: old vassals, workers that were told to stop, what was killed
)
ARCHIVES = "/var/lib/emperor-flask/archives"
ON_HOST = (CHECKOUT / "tests/many_apps/look.py").read_text()


class Walk:
    """The apps as the inventory has them, and the host that must follow. ``jobs`` is their neighbour, to which nothing happens."""

    def __init__(self, jobs, folder):
        self.jobs, self.folder, self.random = jobs, folder, random.Random(SEED)
        self.apps, self.archives, self.released = {}, Counter(), 0
        self.retired = set()  # numbers of accounts that are gone
        before, self.seen = None, self.look()
        while self.seen["lines"] != before:  # until what the test before has left has ended
            before, self.seen = self.seen["lines"], self.look()
        self.empty = self.seen["lines"] - self.answers()

    def look(self):
        """What the host has, but for what ends an old vassal by force, and what a slice was told while it ran."""
        asked = [question for name in NAMES for question in SmallApp(name).asked()]
        argv = ["docker", "exec", HOST, "python3", "-c", ON_HOST, json.dumps(asked)]
        seen = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
        there = "|".join(re.escape(SmallApp(name).unit) for name in (self.jobs.name, *self.apps))
        aside = rf"emperor-end-({there})-|system\.control/emperor-({there})\.slice|/run/systemd/[^/]*$|{ARCHIVES}$"
        return seen | {"lines": Counter(line for line in seen["lines"] if not re.search(aside, line))}

    def answers(self, besides=None):
        """What all names answer, those of the apps and those that are free."""
        apps = [self.apps.get(name) or SmallApp(name) for name in NAMES]
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
            time.sleep(0.2)
            seen = self.look()
        gone = before["numbers"].keys() - seen["numbers"].keys()
        self.retired |= {before["numbers"][account] for account in gone}
        assert self.retired.isdisjoint(seen["numbers"].values()), "an account has the number of one that is gone"
        self.seen = seen

    def deploy(self, *leaving, **variables):
        """Let the host have the apps; ``leaving`` are entries of those that are to be absent."""
        self.jobs.others = [*(app.entry for app in self.apps.values()), *leaving]
        return self.jobs.deploy(**variables)

    def number(self):
        """One that no release has yet."""
        self.released += 1
        return self.released

    def any_app(self, condition=lambda _app: True):
        """One of the apps, of those that the condition holds for; None where there is none."""
        return self.random.choice([*filter(condition, self.apps.values())] or [None])

    def new_app(self):
        """Put an app that is not there into the inventory; None where there are enough."""
        if not (free := [name for name in NAMES if name not in self.apps]):
            return None
        name = self.random.choice(free)
        traits = frozenset(trait for trait in TRAITS if self.random.random() < 0.5)
        app = self.apps[name] = SmallApp(name, self.folder / name, [State(self.number(), self.number(), traits)])
        app.write()
        return app


def add(walk):
    """An app comes."""
    if app := walk.new_app():
        walk.deploy()
    return app


def kill(walk):
    """Any process of an app dies: its Emperor, its vassal, a process of that, or a worker."""
    if app := walk.any_app():
        victim = walk.random.choice(sorted(walk.seen["processes"][app.name]))
        on(HOST, f"kill -9 {victim}")
    return app


def restart(walk):
    """An operator restarts an app."""
    if app := walk.any_app():
        on(HOST, f"systemctl restart uwsgi-emperor@{app.name}")
    return app


def change(walk):
    """A release: of other code or another environment, and perhaps of an app that has more or less."""
    if app := walk.any_app():
        changed = walk.random.choice(["code", "word"])
        trait = walk.random.choice([None, "workers", "timers", "tls", "static"])
        app.release(**{changed: walk.number()}, traits=app.state.traits ^ {trait} - {None})
        app.write()
        walk.deploy()
    return app


def roll_back(walk):
    """A release was wrong; the inventory goes back too."""
    if app := walk.any_app(lambda app: len(app.releases) > 1):
        run = walk.jobs.play("rollback", app=app.name)
        assert run.status == 0, run.output
        app.releases.pop()
        app.write()
    return app


def remove(walk):
    """An app is to be absent."""
    if app := walk.any_app():
        del walk.apps[app.name]
        walk.deploy({"name": app.name, "state": "absent", "keep_shared": False})
    return app


def forget(walk):
    """An app leaves the list; an archive of what it shared is all that stays."""
    if app := walk.any_app():
        del walk.apps[app.name]
        walk.deploy(flask_app_prune="true")
        walk.archives.update(app.archive())
    return app


DEEDS = {
    "add": add,
    "kill": kill,
    "restart": restart,
    "change": change,
    "roll back": roll_back,
    "remove": remove,
    "forget": forget,
}
HARM = ("kill", "restart")  # the app is away for a moment


def test_whatever_happens_to_apps_the_host_is_what_the_inventory_says(jobs, tmp_path):
    walk = Walk(jobs, tmp_path)
    print(f"\nseed {SEED}: EMPEROR_SEED={SEED} repeats it")
    for _ in range(2):
        walk.new_app()
    walk.deploy()
    walk.check("begin", None)
    step, deck = 0, []
    while step < STEPS:
        deck = deck or walk.random.sample(list(DEEDS), len(DEEDS))  # each once, in random order, then anew
        deed = deck.pop()
        if app := DEEDS[deed](walk):
            step += 1
            print(f"{step}: {deed} {app}")
            walk.check(deed, app.name)
    assert walk.deploy().changed == [0]
    walk.archives.update(line for app in walk.apps.values() for line in app.archive())
    walk.apps = {}
    walk.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    walk.check("end", None)
    on(HOST, f"rm -rf {ARCHIVES}")
