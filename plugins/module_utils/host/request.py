# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an action asks of its host half: one parameter, so that a module documents what users write and nothing else."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator


def requested(module: AnsibleModule, spec: dict[str, Any], required_if: list[Any] | None = None) -> dict[str, Any]:
    """The request, converted and with its defaults, beside the module's other parameters; the module fails where it does not fit ``spec``."""
    result = ArgumentSpecValidator(spec, required_if=required_if).validate(module.params["request"])
    if result.error_messages:
        module.fail_json(msg="; ".join(result.error_messages))
    return {**module.params, **result.validated_parameters}
