"""Templates of the user's in the place of the roles': they build on the roles' own, and go as they came."""

import subprocess

import pytest
from conftest import eventually
from stranger import APP, FOLDER, hosts, site

# Not in the inventory's folder, whose files Ansible reads, nor named as the role's, which they could not include then.
TEMPLATES = {
    "main.conf.j2": '{% include "nginx.conf.j2" %}\n\n# of the user\n',
    "site.conf.j2": '{% extends "nginx.conf.j2" %}{% block app %}{{ super() }}'
    '    add_header X-Site "{{ app.name }} of the user" always;\n{% endblock %}',
    "vassal.ini.j2": '{% include "uwsgi.ini.j2" %}\n\nadd-header = X-Vassal: of the user\n',
}
OWN = {**APP, "nginx_template": "../own/site.conf.j2", "vassal_template": "../own/vassal.ini.j2"}


@pytest.fixture
def own():
    """The user's templates, beside the inventory."""
    folder = FOLDER / "own"
    folder.mkdir(exist_ok=True)
    for name, text in TEMPLATES.items():
        (folder / name).write_text(text)


def seen():
    """What of the templates can be seen on a host: their headers, their line."""
    commands = (
        "curl --silent --head -H 'Host: notes.example.com' http://127.0.0.1/ | grep -c 'X-Site: notes of the user'",
        "curl --silent --head -H 'Host: notes.example.com' http://127.0.0.1/ | grep -c 'X-Vassal: of the user'",
        "grep -c '^# of the user' /etc/nginx/nginx.conf",
    )
    argv = ["docker", "exec", hosts()[0], "sh", "-c"]
    return [int(subprocess.run([*argv, command], capture_output=True, text=True).stdout) for command in commands]


def test_templates_of_the_users_are_served_until_they_are_named_no_longer(own):
    flags = ("--limit", hosts()[0], "--tags", "nginx,flask_app")
    status, output, _ = site(*flags, flask_apps=[OWN], nginx_config_template="../own/main.conf.j2")
    assert status == 0, output
    eventually(lambda: seen() == [1, 1, 1])
    assert site(*flags, flask_apps=[OWN], nginx_config_template="../own/main.conf.j2")[2] == ["0"]
    status, output, _ = site(*flags, flask_apps=[APP])
    assert status == 0, output
    eventually(lambda: seen() == [0, 0, 0])  # the vassal before finishes its requests first
