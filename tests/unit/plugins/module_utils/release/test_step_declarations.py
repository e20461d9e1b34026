"""Each step is declared once, and the engine has it as it is declared."""

import inspect

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.release.step_declarations import ITEM, STEPS
from ansible_collections.emperor.flask.plugins.module_utils.release.steps import App


@pytest.mark.parametrize("step", STEPS)
def test_the_engine_takes_and_returns_what_is_declared(step):
    signature = inspect.signature(getattr(App, step))
    assert list(signature.parameters)[1:] == list(STEPS[step].takes)
    returned = {None: "None", dict: "dict[str, Any]", list: "list[str]", bool: "bool"}[STEPS[step].returns]
    assert signature.return_annotation == returned


def test_what_a_step_takes_is_an_items_or_known_on_the_host():
    assert {key for step in STEPS.values() for key in step.takes} == ITEM.keys() - {"name", "renamed_from", "why"} | {
        "secrets",
        "units",
    }
