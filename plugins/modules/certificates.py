#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.certificates, whose host half is the private module certificates_on_host."""

DOCUMENTATION = r"""
module: certificates
short_description: Bring the certificates of sites to a host
description:
  - Every entry of C(flask_apps) whose C(tls.mode) is not C(none) gets C(/etc/nginx/certificates/<app>/combined.pem), its certificate with
    the chain and the key in one file, which only root can read. It is not a part of a release, so a renewed certificate stays renewed through
    a rollback; it goes when the app goes.
  - One round trip for all apps, none where no app is served over TLS. Keys are made on the host, or travel in arguments that no log shows.
  - A changed certificate is tested with the whole configuration before nginx reloads; if nginx refuses it, the one before is put back.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  step:
    description:
      - C(provide) brings C(files) from the controller and makes C(self_signed) ones, which also stand in where an authority has issued none yet.
        A self-signed one is made anew when it lacks a name, or ends in less than 30 days.
      - C(issue) orders certificates of the authority with certbot, which renews them, and gives them to nginx; it runs when the sites are
        served, because they have to prove their names. certbot forgets certificates that no app orders any more.
      - C(default_server) makes the self-signed one that an nginx before 1.19.4 needs for its default server on port 443.
      - C(read) returns what certbot has got for the first of several balancers, registered as C(__load_balancer_read), and C(share) brings it to the others.
    type: str
    choices: [provide, issue, read, share, default_server]
    required: true
  host:
    description: For C(provide), what M(emperor.flask.validate) returned of the host.
    type: dict
    default: {}
  due:
    description: For C(issue), what C(provide) returned.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: Says which files change; nothing of them is shown.}
"""

EXAMPLES = r"""
- name: Provide the certificates of the sites
  emperor.flask.certificates:
    step: provide
"""

RETURN = r"""
written: {description: Paths that were written or given another owner or mode., type: list, elements: str, returned: where an app is served over TLS}
pairs: {description: "Certificates with their keys, by app. To be kept out of logs.", type: dict, returned: step read}
due: {description: Apps that the step C(issue) has something to do for., type: list, elements: str, returned: step provide}
"""
