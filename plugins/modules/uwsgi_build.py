#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build uWSGI for each Python that apps run on."""

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_build
short_description: Build uWSGI for each Python that apps run on
description:
  - Builds uWSGI from its source distribution into C(<root>/<version>-python<X.Y>), once for each Python X.Y.
  - C(<root>/current) names one of these trees, at first that of the first interpreter; the Emperors run on it.
  - A tree that is complete is never touched again. A build that fails leaves nothing behind.
author: emperor.flask maintainers
options:
  version:
    description: Version of uWSGI.
    type: str
    required: true
  checksum:
    description: SHA-256 of that version's source distribution, in hexadecimal. Anything else is refused by pip.
    type: str
    required: true
  pythons:
    description: Interpreters, as absolute paths. Each needs its C(venv) module and its headers.
    type: list
    elements: path
    required: true
  root:
    description: Folder of all trees.
    type: path
    default: /opt/uwsgi
notes:
  - In check mode it tells which trees are missing, so a task with C(check_mode=true) is a query.
  - Needs a C compiler and the headers that C(emperor.flask.prerequisites) installs with its entry point C(build).
attributes:
  check_mode: {support: full, description: Tells which trees are missing and builds none.}
  diff_mode: {support: none, description: The result names what was built.}
"""

EXAMPLES = r"""
- name: Build uWSGI for the system's Python
  emperor.flask.uwsgi_build:
    version: 2.0.31
    checksum: e8f8b350ccc106ff93a65247b9136f529c14bf96b936ac5b264c6ff9d0c76257
    pythons: [/usr/bin/python3]
"""

RETURN = r"""
missing: {description: Trees that were not there when the module began., type: list, elements: str, returned: success}
relink: {description: Whether C(<root>/current) named none of these trees., type: bool, returned: success}
built: {description: Trees that were built., type: list, elements: str, returned: not in check mode}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils import uwsgi_build
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal


def main() -> None:
    """Build what is missing, or in check mode only name it."""
    module = AnsibleModule(
        argument_spec={
            "version": {"required": True},
            "checksum": {"required": True},
            "pythons": {"type": "list", "elements": "path", "required": True},
            "root": {"type": "path", "default": "/opt/uwsgi"},
        },
        supports_check_mode=True,
    )
    try:
        builds = uwsgi_build.plan(module.params["root"], module.params["version"], module.params["pythons"])
        result = (
            uwsgi_build.missing(builds) if module.check_mode else uwsgi_build.make(builds, module.params["checksum"])
        )
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=bool(result["missing"]) or result["relink"], **result)


if __name__ == "__main__":
    main()
