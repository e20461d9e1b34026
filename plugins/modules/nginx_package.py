#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.nginx_package, whose host half is the private module nginx_package_on_host."""

DOCUMENTATION = r"""
module: nginx_package
short_description: Install nginx from nginx.org or from the distribution
description:
  - The repository's signing keys are fetched to the controller and read there packet by packet; only those whose fingerprint is
    pinned are sent to the host, which needs no gpg.
  - Keys, C(.sources) and pin are one transaction with apt's own verification of the repository, the choice of the version, the download
    of the package and its installation. Whichever fails, the files are put back, and the nginx that serves goes on serving.
  - A host that serves with the other package is moved over while it serves. No question is asked, no configuration file is replaced, and
    no service is started or stopped. The new account of nginx joins the old one's group until M(emperor.flask.release) has given
    every app's sockets to the new group.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  step:
    description:
      - V(install) installs. V(renew_keys) only replaces keys of nginx.org that a host trusts already, so that an expired one does not block
        apt. V(hand_over) lets the installed program take over from the one that runs, without refusing a connection.
    type: str
    choices: [install, renew_keys, hand_over]
    default: install
  origin:
    description: Where nginx comes from.
    type: str
    choices: [nginx.org, distribution]
    default: distribution
  version:
    description: Version, with or without the package's revision. Empty, the newest at the time nginx is installed.
    type: str
    default: ""
  user:
    description: Account of nginx's workers in that package.
    type: str
  url:
    description: URL of the repository, for messages.
    type: str
    default: ""
  codename:
    description: The host's codename, for messages.
    type: str
    default: ""
  signing_keys:
    description: Fingerprints of the keys that may sign the repository.
    type: list
    elements: str
    default: []
  signing_key_url:
    description: URL of the file of keys, or a path on the controller.
    type: str
    default: ""
  holes:
    description:
      - Known vulnerabilities to warn of if nginx is from V(nginx.org), each with C(name), C(first) (the first version that has it) and C(fixed)
        (the first version that no longer has it).
    type: list
    elements: dict
    default: []
attributes:
  check_mode: {support: partial, description: "Tells what would change; whether the repository has a version, only a run can tell."}
  diff_mode: {support: full, description: Shows each file of apt's that changes.}
"""

EXAMPLES = r"""
- name: Install nginx
  emperor.flask.nginx_package:
    origin: distribution
"""

RETURN = r"""
version: {description: "Version that is installed, None in check mode on a new host.", type: str, returned: "O(step=install)"}
outdated: {description: Whether nginx runs another program than the installed one., type: bool, returned: "O(step=install)"}
"""
