#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.uwsgi_build, whose host half is the private module uwsgi_build_on_host."""

DOCUMENTATION = r"""
module: uwsgi_build
short_description: Have uWSGI for each Python that apps run on, built once for all hosts of a kind
description:
  - Puts uWSGI into C(<root>/<version>-python<X.Y>), once for each Python X.Y.
  - Its wheel is built from the source distribution on the first host that needs one for its distribution, release, architecture and
    Python, and kept on the controller with its checksum and the names of the packages its shared libraries are in. Every other such
    host waits, and gets the wheel and these packages; it needs no compiler.
  - The controller ships the SHA-256 of its own copy of the wheel, and hosts check it. A wheel that contains anything but plain
    files that a build of uWSGI makes is refused, and the program is asked for its version as C(nobody), so no code of another host runs as root.
    What remains is trust in the host that builds for those of its kind - the accounts of all their apps run what it has made, and the packages
    that it names are installed from each host's own package sources. A host that nobody else should depend on gets a O(cache) of its own.
  - C(<root>/current) names one of these trees, at first that of the first interpreter; the Emperors run on it.
  - A tree that is complete is never touched again, and needs one round trip. A failure leaves nothing behind.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
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
