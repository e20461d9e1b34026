# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Render a role's template on the controller, as the template module would."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


def render(action: ActionBase, template: str, variables: dict[str, Any]) -> str:
    """Return a template's text; a variable that is not defined is an error.

    Goes through the public lookup: it keeps the role's search path and survives changes between ansible-core versions.
    """
    lookup = action._shared_loader_obj.lookup_loader.get(
        "ansible.builtin.template", loader=action._loader, templar=action._templar
    )
    (text,) = lookup.run([template], variables=variables)
    return str(text)
