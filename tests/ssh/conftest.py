"""Hosts as hardened ones are reached: the inventory that an operator writes for them."""

import json
import os

from ssh_hosts import FOLDER, new_key, reached

BECOME = {
    "emperor-ssh-sudo": {"ansible_become_password": "of the user"},
    "emperor-ssh-su": {"ansible_become_method": "ansible.builtin.su", "ansible_become_password": "of root"},
}

# Before plays is imported, which reads where the inventory is.
new_key()
# Without pipelining: sudo wants a terminal, and su always has one.
HOSTS = {host: reached(host, ansible_pipelining=False, **become) for host, become in BECOME.items()}
INVENTORY = FOLDER / "ssh.json"
INVENTORY.write_text(
    json.dumps({"all": {"hosts": HOSTS, "children": {"flask_servers": {"hosts": dict.fromkeys(HOSTS, {})}}}})
)
os.environ["MOLECULE_INVENTORY_FILE"] = str(INVENTORY)
