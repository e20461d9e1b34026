"""What flask-app imports on a host is installed there: the collection's own files, which import nothing but each other and the standard library."""

import shutil
import subprocess
import sys

import yaml
from render import ROLES

FOLDER = "/usr/local/lib/uwsgi/"
SHARED = "{{ __uwsgi_emperor_shared }}/"


def test_what_is_installed_beside_flask_app_can_be_imported_without_ansible(tmp_path):
    tasks = yaml.safe_load((ROLES / "uwsgi_emperor/tasks/main.yml").read_text())
    (files,) = [task["emperor.flask.configuration"]["files"] for task in tasks if "emperor.flask.configuration" in task]
    installed = {file["source"]: file["path"] for file in files if file.get("source", "").startswith(SHARED)}
    for source, path in installed.items():
        place = tmp_path / path.removeprefix(FOLDER)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROLES.parent / "plugins/module_utils" / source.removeprefix(SHARED), place)
    names = [path.removeprefix(FOLDER).removesuffix(".py").replace("/", ".") for path in installed.values()]
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.modules['ansible'] = None\nimport {', '.join(names)}"
    )
    done = subprocess.run([sys.executable, "-IB", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = (ROLES / "uwsgi_emperor/files/flask_app.py").read_text()
    (asked,) = [
        line.partition("import ")[2].split(", ")
        for line in script.splitlines()
        if line.startswith("from emperor_flask.host ")
    ]
    assert {f"emperor_flask.host.{name}" for name in asked} <= set(names)
