#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have uWSGI for each Python that apps run on, built once for all hosts of a kind."""

from __future__ import annotations

DOCUMENTATION = r"""
module: uwsgi_build
short_description: Have uWSGI for each Python that apps run on, built once for all hosts of a kind
description:
  - Puts uWSGI into C(<root>/<version>-python<X.Y>), once for each Python X.Y.
  - Its wheel is built from the source distribution on the first host that needs one for its distribution, release, architecture and
    Python, and kept on the controller with its checksum and the names of the packages its shared libraries are in. Every other such
    host waits, and gets the wheel and these packages; it needs no compiler.
  - What the controller ships, and hosts check, is the SHA-256 of the wheel that it has itself. A wheel that has anything in it but plain
    files that a build of uWSGI makes is refused, and the program is asked for its version as C(nobody), so no code of another host runs as root.
    What remains is trust in the host that builds for those of its kind - the accounts of all their apps run what it has made, and the packages
    that it names are installed from each host's own package sources. A host that nobody else should depend on gets a O(cache) of its own.
  - C(<root>/current) names one of these trees, at first that of the first interpreter; the Emperors run on it.
  - A tree that is complete is never touched again, and needs one round trip. A failure leaves nothing behind.
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
    description: Interpreters, as absolute paths. Each needs its C(venv) module and, where uWSGI is built, its headers.
    type: list
    elements: path
    required: true
  root:
    description: Folder of all trees.
    type: path
    default: /opt/uwsgi
  cache:
    description:
      - Folder on the controller that keeps the wheels, absolute or relative to the inventory's.
      - Without it, C(emperor.flask) in C($XDG_CACHE_HOME) or C(~/.cache).
    type: path
  build_packages:
    description: Packages with compiler and headers, installed on the host that builds.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Tells which trees are missing and makes none.}
  diff_mode: {support: none, description: The result names what was built and what was shipped.}
"""

EXAMPLES = r"""
- name: Have uWSGI for the system's Python
  emperor.flask.uwsgi_build:
    version: 2.0.31
    checksum: e8f8b350ccc106ff93a65247b9136f529c14bf96b936ac5b264c6ff9d0c76257
    pythons: [/usr/bin/python3]
    build_packages: [gcc, libc6-dev, libcrypt-dev, libpcre2-dev, python3-dev]
"""

RETURN = r"""
missing: {description: Trees that were not there at first., type: list, elements: str, returned: success}
relink: {description: Whether C(<root>/current) named none of these trees., type: bool, returned: success}
built: {description: Trees whose wheel was built on this host., type: list, elements: str, returned: success}
shipped: {description: Trees whose wheel came from the controller., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import apt
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.python import uwsgi_build


def main() -> None:
    """The host's half: ``look`` only looks; ``build`` and ``install`` make the tree of one interpreter; ``link`` mends ``current``."""
    # What the controller's half sends, not what a user writes: that is in DOCUMENTATION.
    module = AnsibleModule(
        argument_spec={
            "step": {"choices": ["look", "build", "install", "link"], "required": True},
            "root": {"type": "path", "required": True},
            "version": {"required": True},
            "pythons": {"type": "list", "elements": "path", "required": True},
            "python": {"type": "path"},
            "checksum": {},
            "folder": {"type": "path"},
            "wheel": {"type": "path"},
            "sha256": {},
            "packages": {"type": "list", "elements": "str", "default": []},  # to build with, or to run with
        },
        required_if=[
            ("step", "build", ["python", "checksum", "folder"]),
            ("step", "install", ["python", "wheel", "sha256"]),
        ],
        supports_check_mode=True,
    )
    params, step = module.params, module.params["step"]
    try:
        builds = uwsgi_build.plan(params["root"], params["version"], params["pythons"])
        if step == "look":
            module.exit_json(changed=False, **uwsgi_build.look(builds))
        result = {}
        with uwsgi_build.changing(builds):
            apt.have(params["packages"])
            for build in builds:
                if build.python == params["python"] and step == "build":
                    result = build.build(params["checksum"], params["folder"])
                    apt.retain(result["packages"])  # they came with the compiler
                elif build.python == params["python"] and step == "install":
                    build.install(params["wheel"], params["sha256"])
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
