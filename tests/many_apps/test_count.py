"""Many apps on one host: they come at once, none takes another for itself, one of them can go, and all of them.

EMPEROR_APPS says how many; `make soak` takes fifty.
"""

import os
import re

from conftest import HOST
from inventory import ARCHIVES, Inventory
from plays import live, on
from small_app import TRAITS, SmallApp, State

NAMES = [f"app-{number}" for number in range(1, int(os.environ.get("EMPEROR_APPS", "12")))]  # and the app jobs


def test_many_apps_are_served_by_their_names_and_one_or_all_of_them_can_go(jobs, tmp_path):
    inventory = Inventory(jobs, NAMES)
    for number, name in enumerate(NAMES):
        has = frozenset(list(TRAITS)[number % 10 : number % 10 + 1])  # every other one is bare
        app = SmallApp(name, tmp_path / name, [State(number, 100 + number, has)])
        app.write()
        inventory.put(app)
    inventory.deploy()
    inventory.check("add", None)
    assert inventory.deploy().changed == [0]
    shown = on(HOST, "flask-app").splitlines()
    run = jobs.play("status")
    assert run.status == 0, run.output
    for name in ("jobs", *NAMES):
        row = rf"{name} +{live(HOST, name)} .* up "
        assert [line for line in shown if re.match(row, line)], shown
        assert re.search(rf"\b{row}", run.output), run.output
    inventory.apps.pop("app-7")
    inventory.deploy({"name": "app-7", "state": "absent", "keep_shared": False})
    inventory.check("remove", "app-7")
    inventory.archives.update(line for app in inventory.apps.values() for line in app.archive())
    inventory.apps = {}
    inventory.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    inventory.check("end", None)
    on(HOST, f"rm -rf {ARCHIVES}")
