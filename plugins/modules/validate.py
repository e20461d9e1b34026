#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.validate, which runs on the controller."""

DOCUMENTATION = r"""
module: validate
short_description: Refuse what cannot work before anything is changed
description:
  - Checks the variables of this collection's roles against their C(meta/argument_specs.yml), the one place where types and defaults are written.
  - Merges C(flask_app_defaults) into every entry of C(flask_apps), converts types, fills in defaults, and reports every mistake at once,
    naming the app, the key, the value and what to do about it.
  - Reads with M(emperor.flask.host_facts), once per play, what only the host knows, and refuses an unsupported system or an app whose
    name belongs to somebody else.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  role:
    description: Role whose variables are checked. Without it, those of every role.
    type: str
    choices: [prerequisites, nginx, uwsgi_emperor, flask_app]
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Only reads.}
"""

EXAMPLES = r"""
- name: Refuse what cannot work before anything is changed
  emperor.flask.validate:
    role: flask_app
  register: __flask_app_input
"""

RETURN = r"""
apps: {description: "The apps, merged and converted; each has every key, and secrets are hidden.", type: list, elements: dict, returned: success}
tls: {description: "Whether any entry of C(flask_apps) is served over TLS, released now or not.", type: bool, returned: success}
host: {description: What M(emperor.flask.host_facts) returns., type: dict, returned: success}
"""
