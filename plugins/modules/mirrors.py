#!/usr/bin/python
# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say why apt failed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirrors
short_description: Say which of apt's mirrors does not answer
description:
  - To be used where M(ansible.builtin.apt) has failed. Asks every mirror of the host's sources once. Fails with the mirrors that do not
    answer, the reasons and the time it waited for each; if all of them answer, fails with O(error).
  - The next M(ansible.builtin.apt) with C(update_cache) fetches the package lists, however young they are.
version_added: 0.1.0
author: emperor.flask maintainers (@emperor)
options:
  error:
    description: What M(ansible.builtin.apt) said.
    type: str
    required: true
attributes:
  check_mode: {support: full, description: Changes nothing of the host but the age of its package lists.}
  diff_mode: {support: none, description: Always fails.}
"""

EXAMPLES = r"""
- name: Say which mirror does not answer, and after how long
  emperor.flask.mirrors:
    error: "{{ ansible_failed_result.msg }}"
"""

RETURN = r""" # """

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.emperor.flask.plugins.module_utils.host import mirrors


def main() -> None:
    """Fail with the best reason there is."""
    module = AnsibleModule(argument_spec={"error": {"required": True}}, supports_check_mode=True)
    found = mirrors.unanswered()
    mirrors.forget_lists()
    module.fail_json(msg=found or module.params["error"])


if __name__ == "__main__":
    main()
