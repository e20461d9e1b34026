"""A random walk: apps come, change, break, get other names and go in any order, and after each step the host is what the inventory says, and nothing else.

EMPEROR_STEPS says how many steps, EMPEROR_SEED repeats a walk.
"""

import os
import random

from conftest import HOST
from inventory import ARCHIVES, Inventory
from plays import on
from small_app import TRAITS, SmallApp, State

STEPS = int(os.environ.get("EMPEROR_STEPS", "10"))
SEED = int(os.environ.get("EMPEROR_SEED") or random.randrange(10**6))
NAMES = ("sea", "sea-side", "sea_side", "sea-side-2", "seaside", "side")  # some begin as others do


class Walk(Inventory):
    """What happens to the apps, by chance. Their neighbour is the app jobs, to which nothing happens."""

    def __init__(self, jobs, folder):
        super().__init__(jobs, NAMES)
        self.folder, self.random, self.released = folder, random.Random(SEED), 0

    def number(self):
        """One that no release has yet."""
        self.released += 1
        return self.released

    def any_app(self, condition=lambda _app: True):
        """One of the apps, of those that the condition holds for; None where there is none."""
        return self.random.choice([*filter(condition, self.apps.values())] or [None])

    def free_name(self):
        """A name that no app has; None where there are enough."""
        free = [name for name in self.names if name not in self.apps]
        return self.random.choice(free) if free else None

    def new_app(self):
        """Put an app that is not there into the inventory; None where there are enough."""
        if not (name := self.free_name()):
            return None
        traits = frozenset(trait for trait in TRAITS if self.random.random() < 0.5)
        state = State(self.number(), self.number(), traits)
        app = SmallApp(name, self.folder / str(state.code), [state])
        app.write()
        self.put(app)
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
        app.go_back()
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


def rename(walk):
    """An app gets another name, and with it a new history."""
    if (app := walk.any_app()) and (name := walk.free_name()):
        del walk.apps[app.name]
        app.rename(name)
        walk.put(app)
        walk.deploy()
        return app
    return None


DEEDS = {
    "add": add,
    "kill": kill,
    "restart": restart,
    "change": change,
    "roll back": roll_back,
    "remove": remove,
    "forget": forget,
    "rename": rename,
}


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
