#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.load_balancer, whose host half is the private module load_balancer_on_host."""

DOCUMENTATION = r"""
module: load_balancer
short_description: Send the requests for apps to the servers that have them
description:
  - Configures nginx as the balancer of the apps that the servers of the group C(flask_servers) have, as one transaction like
    M(emperor.flask.configuration)'s. Whether a server takes requests stands in a file of its own, C(/etc/nginx/emperor_servers/<server>.conf).
  - A server that is new gets requests once a run has brought it level with the others, that is, has released all of its apps. One that was taken
    out stays out until then, or until it is taken back.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options:
  step:
    description:
      - C(configure) writes the sites of all apps, and the servers.
      - C(take_out) sends no more requests to O(servers). Those that they have in hand end. C(take_back) is its opposite. Both are for tasks that
        are delegated to a balancer.
      - C(take_out_absent) takes out the servers that the play has lost, and C(take_out_doubtful) those that were told to switch to a release that the run
        takes back, and that have not said that they went back. Without any, the balancer is not asked.
    type: str
    choices: [configure, take_out, take_back, take_out_absent, take_out_doubtful]
    default: configure
  host:
    description: For C(configure), what M(emperor.flask.validate) returned of the host.
    type: dict
    default: {}
  servers:
    description: For C(take_out) and C(take_back), names of the inventory. Those that the balancer does not know are passed over.
    type: list
    elements: str
    default: []
  least:
    description: For C(take_out), how many servers have to be left that take requests. Otherwise the task fails, and nothing is changed.
    type: int
    default: 0
  statuses:
    description:
      - For C(take_out), what M(emperor.flask.app_status) has said of the other servers, with C(host) and C(health), as a loop over their names registers it.
      - Then O(least) counts, app by app, only those that answer for it, and a server that alone has an app is not taken out.
    type: list
    elements: dict
attributes:
  check_mode: {support: full, description: Tells what would change.}
  diff_mode: {support: full, description: Shows every file that changes.}
"""

EXAMPLES = r"""
- name: Send no requests to a server that is about to be repaired
  emperor.flask.load_balancer:
    step: take_out
    servers: [web1.example.com]
    least: 1
"""

RETURN = r"""
takes: {description: "By server, whether it takes requests.", type: dict, returned: success}
"""
