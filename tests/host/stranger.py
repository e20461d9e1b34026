"""Runs as the stranger types them: in the folder that molecule/default/side_effect.yml made, from the installed collection."""

import json
import os
import re
import subprocess
from pathlib import Path

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "stranger"
APP = {
    "name": "notes",
    "module": "notes:create_app()",
    "source": {"path": "../notes"},
    "server_names": ["notes.example.com"],
    "env": {"NOTES_DATABASE": "sqlite:////var/www/notes/shared/notes.db"},
}
APPS_ALONE = ("--tags", "flask_app")
CONNECTIONS = Path(__file__).resolve().with_name("connection")


def environment(**more):
    """What the stranger's shell has."""
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(FOLDER / "collections"),
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        **more,
    }


def command(*flags, **variables):
    """The command line of a run of the whole site with these variables. Ansible prints what stands in its arguments: they go by file."""
    file = FOLDER / "variables.json"
    file.write_text(json.dumps(variables))
    return [
        "ansible-playbook",
        "-i",
        "inventory",
        "--limit",
        hosts()[0],
        "emperor.flask.site",
        *flags,
        "-e",
        f"@{file}",
    ]


def site(*flags, shell=None, **variables):
    """Run the whole site with these variables; return exit status, output and the numbers of changes."""
    argv = command(*flags, **variables)
    done = subprocess.run(argv, cwd=FOLDER, env=shell or environment(), capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, re.findall(r"changed=(\d+)", done.stdout)


def play(*flags, **changes):
    """Run the apps' part of the site with a changed app."""
    return site(*APPS_ALONE, *flags, flask_apps=[{**APP, **changes}])


def counted(*flags, **variables):
    """Run the site, counting; return the number of round trips before the rest of what a run returns."""
    log = FOLDER / "round-trips"
    log.write_text("")
    shell = environment(
        ROUND_TRIPS=str(log),
        ANSIBLE_CONNECTION_PLUGINS=str(CONNECTIONS),
        ANSIBLE_PIPELINING="true",  # as in the checkout's ansible.cfg
    )
    result = site(*flags, "-e", "ansible_connection=counted_docker", shell=shell, **variables)
    return len(log.read_text().splitlines()), *result


def hosts():
    """The hosts that these runs are for: the first of the scenario's, because one shows what a run says and does."""
    return re.findall(r"^    (emperor-\S+):", (FOLDER / "inventory/hosts.yml").read_text(), re.MULTILINE)[:1]


def on_each(line):
    """What a shell's line prints, host by host."""
    return [
        subprocess.run(["docker", "exec", host, "sh", "-c", line], capture_output=True, text=True, check=True).stdout
        for host in hosts()
    ]
