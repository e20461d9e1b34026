"""Hosts as hardened ones are reached: the inventory that an operator writes for them, and a key that sshd knows."""

import json
import os
import subprocess
from pathlib import Path

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
KEY = FOLDER / "key"
BECOME = {
    "emperor-ssh-sudo": {"ansible_become_password": "of the user"},
    "emperor-ssh-su": {"ansible_become_method": "ansible.builtin.su", "ansible_become_password": "of root"},
}


def _run(*argv, **options):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


def _reached(host):
    """How a host is reached, once it knows the key."""
    there = "install -d -m 700 -o deploy -g deploy ~deploy/.ssh; cat >~deploy/.ssh/authorized_keys; chown deploy: ~deploy/.ssh/authorized_keys"
    _run("docker", "exec", "-i", host, "sh", "-c", there, input=KEY.with_suffix(".pub").read_text())
    return {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_host": _run("docker", "exec", host, "hostname", "-I").split()[0],
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": str(KEY),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        "ansible_pipelining": False,  # sudo wants a terminal, and su always has one
        "nginx_origin": "distribution",
        **BECOME[host],
    }


# Before plays is imported, which reads where the inventory is.
KEY.unlink(missing_ok=True)
_run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEY))
HOSTS = {host: _reached(host) for host in BECOME}
INVENTORY = FOLDER / "ssh.json"
INVENTORY.write_text(
    json.dumps({"all": {"hosts": HOSTS, "children": {"flask_servers": {"hosts": dict.fromkeys(HOSTS, {})}}}})
)
os.environ["MOLECULE_INVENTORY_FILE"] = str(INVENTORY)
