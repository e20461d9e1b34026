#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.configuration, whose host half is the private module configuration_on_host."""

DOCUMENTATION = r"""
module: configuration
short_description: Apply a set of configuration files as one transaction
description:
  - Renders templates on the controller and applies them on the host in one round trip, all of them or none.
  - Each file is written beside its place and renamed into it; files that the set wrote before and no longer lists are removed.
    Units whose files are removed are stopped and disabled. Then O(check) runs and O(service) reloads. When either fails, everything is put back and
    the task fails with its output.
  - A record on the host, C(/var/lib/emperor-flask/<set>.json), remembers what the set owns and a reload that is still owed, so
    that the next run finishes one that died in between.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  set:
    description: Name of the set; what it owned before is known by it.
    type: str
    required: true
  directories:
    description: Folders to make before the files, parents first. They stay when they are no longer listed.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: Account., type: str, default: root}
      group: {description: Group., type: str, default: root}
      mode: {description: Permission bits in octal., type: str, default: "0755"}
  files:
    description: Files of the set.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      source:
        description: File on the controller, among the role's C(files) or an absolute path, that is taken as it is, in the place of a template.
        type: str
      template:
        description: Template on the controller, found as M(ansible.builtin.template) finds its O(ansible.builtin.template#module:src).
        type: str
      replacement:
        description: Template of the user's that is rendered instead, absolute or relative to the inventory's folder. Empty, O(files[].template) is.
        type: path
      owner: {description: Account., type: str, default: root}
      group: {description: Group., type: str, default: root}
      mode: {description: Permission bits in octal., type: str, default: "0644"}
      reload: {description: Whether the service reads this file., type: bool, default: true}
      sensitive: {description: Whether nothing of the content may stand in a diff or log. The mode is then 0600 by default., type: bool, default: false}
  generated:
    description: Files that O(service) writes. They are removed when they are no longer listed.
    type: list
    elements: path
    default: []
  absent:
    description: Files that must not exist, such as a packaged default site.
    type: list
    elements: path
    default: []
  aside:
    description:
      - Files that are not to be in effect, but are somebody else's, such as the distribution's own apt sources. They get the suffix
        C(.emperor-flask.disabled), and their name back when they are no longer listed.
    type: list
    elements: path
    default: []
  check:
    description: Command, as a list, that tests the whole configuration. Runs on every run, changed or not.
    type: list
    elements: str
    default: []
  service:
    description:
      - Unit that is enabled, runs, and reloads (or restarts, where it cannot reload) when something it reads has changed.
    type: str
  instances:
    description:
      - Pattern of the units that read the files, where O(service) only groups them. They reload in its place. When their unit
        itself changes, they keep running and are marked as outdated; the result says so in C(outdated), and so does check mode.
        M(emperor.flask.release) exchanges outdated Emperors without losing a request.
    type: str
attributes:
  check_mode: {support: full, description: Tells what would change; the check command then runs only if nothing would.}
  diff_mode: {support: full, description: Shows each file as M(ansible.builtin.template) does; of a sensitive one only that it changes.}
"""

EXAMPLES = r"""
- name: Configure nginx, test the whole configuration, reload
  emperor.flask.configuration:
    set: nginx
    files:
      - {template: nginx.conf.j2, path: /etc/nginx/nginx.conf}
    absent: [/etc/nginx/sites-enabled/default]
    check: [nginx, -t]
    service: nginx.service
"""

RETURN = r"""
written: {description: Paths that were written or given another owner or mode., type: list, elements: str, returned: success}
removed: {description: Paths that were removed., type: list, elements: str, returned: success}
outdated: {description: "Pattern of the units that go on under the unit file before this one, empty if none does.", type: str, returned: success}
moved: {description: New paths of what was put aside or back., type: list, elements: str, returned: success}
"""
