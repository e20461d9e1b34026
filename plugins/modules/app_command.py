# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action emperor.flask.app_command."""

DOCUMENTATION = r"""
module: app_command
short_description: Run a command in an app's box
description:
  - Runs a command as an app's user, with the live release's code, packages and environment, and its secrets, within the app's limits. A shell reads it.
  - It is ended with all that it has started after C(timeouts.command) seconds of the app. It cannot be asked questions.
  - The host's C(/var/log/emperor-flask/audit.log) has a line for it, with the account and the machine of who runs the play. Secrets are blotted out of
    what it prints, which is shown.
version_added: 0.2.0
author: emperor.flask maintainers (@emperor)
options:
  app:
    description: Name of the app.
    type: str
  command:
    description: The command.
    type: str
  typed:
    description:
      - Whether O(app) and O(command) are those that the command line has in C(-e app=...) and C(-e command=...). Several words are taken whole then.
      - Only one host of the play runs it, the one of C(-e host=...), or the first.
    type: bool
    default: false
attributes:
  check_mode: {support: full, description: Runs nothing.}
  diff_mode: {support: none, description: What a command changes is not known.}
"""

EXAMPLES = r"""
- name: Give Anna an account
  emperor.flask.app_command:
    app: notes
    command: flask users add anna
"""

RETURN = r"""
rc: {description: Exit status of the command., type: int, returned: where it ran}
output: {description: "The lines that it printed, both streams in their order.", type: list, elements: str, returned: success}
"""
