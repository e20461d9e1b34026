"""What a template gives in a real play: the text of Ansible's own template module, however often and in whatever order it is rendered."""

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[5]
ACTION = """
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import Templates

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        templates = Templates(self, task_vars)
        names = self._task.args["names"]
        return {"texts": [templates.render(self._task.args["template"], name=name) for name in names]}
"""
TEXTS = {
    "plain": "{{ name }} of {{ flock }}\n",
    "without a newline": "{{ name }}",
    "blank lines": "{{ name }}\n\n\n",
    "a loop at the end": "{% for each in [1, 2] %}\n{{ name }}\n{% endfor %}\n",
    "backslashes": "{{ '\\\\d' }} \\d {{ name }}\n",
    "an include": "{% include 'part.j2' %}\n{{ name }}\n",
    "managed": "# {{ ansible_managed }}\n{{ name }}\n",
    "a nested variable": "{{ nested }}\n",
}


def play(folder, template, names):
    """Run a play that renders a template with us and with the module; return its status and output."""
    (folder / "plugins").mkdir()
    (folder / "plugins/rendered.py").write_text(ACTION)
    (folder / "library").mkdir()
    (folder / "library/rendered.py").write_text("")
    (folder / "templates").mkdir()
    (folder / "templates/one.j2").write_text(template)
    (folder / "templates/part.j2").write_text("a part for {{ name }}")
    tasks = [
        {"rendered": {"template": "one.j2", "names": names}, "register": "ours"},
        {
            "ansible.builtin.template": {"src": "one.j2", "dest": str(folder / "{{ name }}.txt")},
            "loop": names,
            "loop_control": {"loop_var": "name"},
        },
        {"ansible.builtin.copy": {"content": "{{ ours.texts | to_json }}", "dest": str(folder / "ours.json")}},
    ]
    variables = {"flock": "sheep", "nested": "{{ name }} is nested"}
    (folder / "play.yml").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}])
    )
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_ACTION_PLUGINS": str(folder / "plugins"),
    }
    argv = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(folder / "play.yml")]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_text_is_that_of_the_module_for_each_of_several_apps(tmp_path, text):
    status, output = play(tmp_path, text, ["dolly", "molly"])
    assert status == 0, output
    theirs = [(tmp_path / f"{name}.txt").read_text() for name in ("dolly", "molly")]
    assert json.loads((tmp_path / "ours.json").read_text()) == theirs
    assert theirs[0] != theirs[1]


def test_a_variable_that_is_not_defined_is_named_with_the_template(tmp_path):
    status, output = play(tmp_path, "first\n{{ nowhere }}\n", ["dolly"])
    assert status != 0
    assert "'nowhere' is undefined" in output and "one.j2" in output
