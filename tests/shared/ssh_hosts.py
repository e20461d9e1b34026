"""Hosts that are reached by a real sshd: the inventory that an operator writes for them, and a key that sshd knows."""

import os
import subprocess
from pathlib import Path

FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
KEY = FOLDER / "key"
ADMIT = "install -d -m 700 -o deploy -g deploy ~deploy/.ssh; cat >~deploy/.ssh/authorized_keys; chown deploy: ~deploy/.ssh/authorized_keys"


def run(*argv, **options):
    """What a command prints on the controller."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, **options).stdout


def new_key():
    """Make the key anew."""
    KEY.unlink(missing_ok=True)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(KEY))


def address(host):
    """Where a host is."""
    return run("docker", "exec", host, "hostname", "-I").split()[0]


def reached(host, **variables):
    """The variables of a host in an inventory, once it knows the key."""
    run("docker", "exec", "-i", host, "sh", "-c", ADMIT, input=KEY.with_suffix(".pub").read_text())
    return {
        "ansible_connection": "ansible.builtin.ssh",
        "ansible_host": address(host),
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": str(KEY),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
        "-o ServerAliveInterval=2 -o ServerAliveCountMax=2",  # a kept connection to a host that was cut off is given up
        "nginx_origin": "distribution",
        **variables,
    }
