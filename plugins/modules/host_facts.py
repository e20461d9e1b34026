#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what only the host knows."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Read what the roles and their validation ask of a host
description:
  - One round trip that replaces fact gathering for this collection's roles. M(emperor.flask.validate) runs it; it changes nothing.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  pythons:
    description: Interpreters whose version is asked.
    type: list
    elements: path
    default: [/usr/bin/python3]
  folders:
    description: Folders that have to be there.
    type: list
    elements: path
    default: []
  standing:
    description: Whether to look which sets of M(emperor.flask.configuration) stand as they were applied. Their checks run for it.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Only reads.}
  diff_mode: {support: none, description: Only reads.}
"""

EXAMPLES = r"""
- name: Read the host's system, accounts and Pythons
  emperor.flask.host_facts:
    pythons: [/usr/bin/python3]
"""

RETURN = r"""
host:
  description: >-
    Distribution, version, codename, whether there is IPv6, each interpreter's version, accounts
    with their home, groups, folders of /var/www, nginx sites, the digest of nginx.org's keys, the programs
    that listen on the ports 80 and 443, sets of M(emperor.flask.configuration) that are applied, and the digests of those that stand as they were applied,
    the installed packages, the builds of uWSGI, the apps that certbot renews
    certificates for, how many connections a listening socket may keep waiting, whether that can be set, how many files a service
    may open, its time in seconds since the epoch, how many processors and bytes of memory it has, and which of the folders are not there.
  type: dict
  returned: always
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.facts.host_facts import UWSGI_ROOT, facts
from ansible_collections.emperor.flask.plugins.module_utils.host.standing import standing
from ansible_collections.emperor.flask.plugins.module_utils.python import uwsgi_build


def main() -> None:
    """Return the facts."""
    module = AnsibleModule(
        argument_spec={
            "pythons": {"type": "list", "elements": "path", "default": ["/usr/bin/python3"]},
            "folders": {"type": "list", "elements": "path", "default": []},
            "standing": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    host = {
        **facts(module.params["pythons"]),
        "uwsgi": uwsgi_build.ready(UWSGI_ROOT),
        "missing_folders": [folder for folder in module.params["folders"] if not os.path.isdir(folder)],
        "clock": time.time(),
        "standing": standing() if module.params["standing"] else {},
    }
    module.exit_json(changed=False, host=host)


if __name__ == "__main__":
    main()
