# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Render a role's templates on the controller, as the template module would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import argument_specs

SITES = argument_specs.ROLES / "flask_app/templates"


class Templates:
    """The templates of a task's role, and the variables of its host.

    Each template is compiled once, however many apps it is rendered for, because it is included: the lookup and the module compile what
    they render every time, and copy all variables for it. With fifty apps that is most of a run that changes nothing.
    """

    def __init__(self, action: ActionBase, variables: dict[str, Any]) -> None:
        self._action, self._variables = action, variables
        self._by_path: dict[str, tuple[Any, dict[str, Any], int]] = {}

    def render(self, template: str, **more: Any) -> str:
        """Return a template's text, with ``more`` variables; one that is not defined is an error."""
        path = self._action._find_needle("templates", template)
        if path not in self._by_path:
            variables = {"ansible_managed": "Ansible managed", **self._variables}
            folders = [Path(path).parent, *self._folders()]
            templar = self._action._templar.copy_with_new_env(
                searchpath=list(map(str, folders)), available_variables=variables
            )
            self._by_path[path] = (templar, variables, _newlines(Path(path).read_text(encoding="utf-8")))
        templar, variables, newlines = self._by_path[path]
        variables |= more
        including = trust_as_template(f'{{% include "{Path(path).name}" %}}')
        text = str(templar.template(including, escape_backslashes=False))
        # Jinja drops a template's last newline; Ansible puts back what the text has fewer of than the template.
        return text + "\n" * (newlines - _newlines(text))

    def _folders(self) -> list[Path]:
        """Where what a template includes is looked for; in the end among those of sites, which role load_balancer extends."""
        paths = [Path(path) for path in self._variables.get("ansible_search_path", [])]
        return [*(folder for path in paths for folder in (path / "templates", path)), SITES]


def _newlines(text: str) -> int:
    """How many newlines a text ends with."""
    return len(text) - len(text.rstrip("\n"))


def render(action: ActionBase, template: str, variables: dict[str, Any]) -> str:
    """Return a template's text."""
    return Templates(action, variables).render(template)
