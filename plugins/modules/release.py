#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.release, whose host half is the private module release_on_host."""

DOCUMENTATION = r"""
module: release
short_description: Bring apps' releases to life, step by step
description:
  - A release is everything of an app but its secrets, named by a digest. It gets to life in steps, each for all apps of a host in one
    round trip, so that a play over many hosts waits between two steps and no host switches before the candidates of all are healthy.
  - Each step can be repeated. A step that fails changes nothing that serves; C(revert) then takes away what was staged and started, on every host.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  step:
    description:
      - C(complete) fails where servers are away and C(fleet_min_healthy) wants them to take part. No host is asked.
      - C(stage) compares every entry of C(flask_apps) with what is live. Apps that differ get their Unix user and folders, their code and
        virtual environment (once per content), the release's folder, and the app's lock. Nothing is done for an app that serves its
        release, with these secrets, healthy. Apps whose C(state) is C(absent) are taken away.
      - C(rollback) stages and starts O(release) of O(app) instead, which is on the host already, with the secrets of today.
      - C(take_over) stops the app that one with C(renamed_from) was until now, and moves its shared files and logs; for other apps it does nothing.
      - C(before_switch) and C(after_switch) run the hooks of that name, for each app on the first host that releases it.
      - C(candidate) starts a vassal beside the live one, on a socket of its own, and waits until it answers the health request.
      - C(switch) renames the link to the socket, and reloads nginx if the app's site changed.
      - C(retire) lets the old vassals finish their requests and go, removes what C(keep_releases) does not keep, and frees the lock.
      - C(maintenance) closes O(app) or opens it, as O(state) says, whether a release is under way or not. Nothing is reloaded.
      - C(revert) puts everything back after a failure, and always fails, with the first failure's message.
    type: str
    choices: [complete, stage, rollback, take_over, before_switch, candidate, switch, after_switch, retire, maintenance, revert]
    required: true
  host:
    description: Host as M(emperor.flask.validate) returns it; for C(stage).
    type: dict
  plan:
    description: What C(stage) or C(rollback) returned; for the steps after it.
    type: dict
  app:
    description: Name of the app; for C(rollback) and C(maintenance).
    type: str
  release:
    description: Release to go back to; for C(rollback). Empty, the one that was deployed before the live one.
    type: str
  state:
    description: Whether the app is closed for maintenance; for C(maintenance).
    type: str
    choices: ["on", "off"]
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: "Shows environment and both configurations of a release; secrets never appear."}
"""

EXAMPLES = r"""
- name: Stage the releases that differ from what is live
  emperor.flask.release:
    step: stage
    host: "{{ __flask_app_input.host }}"
  register: __flask_app_plan

- name: Start each beside the live one and wait until it is healthy
  emperor.flask.release:
    step: candidate
    plan: "{{ __flask_app_plan.plan }}"
  when: __flask_app_plan.plan.apps | length > 0
"""

RETURN = r"""
releases:
  description: "For each app: the app's name, the release before, the release now, and whether it changed. From C(stage) and C(rollback)."
  type: list
  elements: dict
  returned: success
failures:
  description: What kept an app from the step, by its name. The others go on, and those that failed are left as they were on every host.
  type: dict
  returned: where an app failed and another did not
plan:
  description: What the following steps need; its C(apps) are those that change.
  type: dict
  returned: success of stage and rollback; after a failure C(revert) knows it without being told
hooks:
  description: What the hooks of each app printed.
  type: dict
  returned: from before_switch and after_switch
report:
  description: "A line per app: its name, old release, new release, seconds since the play staged it, URL."
  type: list
  elements: str
  returned: from retire
"""
