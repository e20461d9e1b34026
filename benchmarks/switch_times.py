"""Print how many milliseconds each of 100 switches between two releases of the app shop takes, as JSON; ends at the live one.

Runs on a host, with the collection's module_utils in /srv/ansible_collections/emperor/flask/plugins.
"""

import json
import sys
import time

sys.path.insert(0, "/srv")
from ansible_collections.emperor.flask.plugins.module_utils.host.files import names_in
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release.steps import App
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations

layout = Layout("shop")
live = activations.live(layout)
other = next(name for name in names_in(layout.releases) if name != live.release)
milliseconds = []
for _ in range(50):
    for activation in (activations.Activation(other, 0), live):
        begin = time.perf_counter()
        App(layout).switch(activation)
        milliseconds.append(round(1000 * (time.perf_counter() - begin), 3))
print(json.dumps(milliseconds))
