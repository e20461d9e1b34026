# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The authority that an inventory names, and what apps order of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.tls import sharing
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import argument_specs
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.templates import render
from ansible_collections.emperor.flask.plugins.plugin_utils.source.missing import missing

with contextlib.suppress(ImportError):  # ansible-core has it, the sanity test `import` does without
    from cryptography import x509

DIRECTORY, EMAIL, CA = "nginx_acme_directory", "nginx_acme_email", "nginx_acme_ca"
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def mistakes(inventory: Inventory) -> Iterator[str]:
    """Sentences that say what is wrong with the variables that name the authority."""
    directory, email = (_value(inventory, name) for name in (DIRECTORY, EMAIL))
    address = urlsplit(directory)
    if address.scheme != "https" or not address.hostname:
        yield f"{DIRECTORY} '{directory}' is not an https URL; write that of the authority's ACME directory"
    if email and not ADDRESS.fullmatch(email):
        yield f"{EMAIL} '{email}' is not an address; write one, such as ops@example.com, or leave it empty"
    try:
        ca(inventory)
    except Refusal as refusal:
        yield str(refusal)


def is_wanted(inventory: Inventory) -> bool:
    """Tell whether any app has a certificate of the authority, whichever are released now: renewals are the whole host's."""
    return inventory.serves_tls("acme")


def order(inventory: Inventory) -> dict[str, Any]:
    """What the module is told of the authority."""
    return {"directory": _value(inventory, DIRECTORY), "email": _value(inventory, EMAIL)}


def files(action: ActionBase, inventory: Inventory) -> list[dict[str, str]]:
    """What brings nginx the certificates that certbot renews, here or on the first balancer, for the module to write."""
    fleet = inventory.fleet
    take = _program("flask_app/files/take_certificates.py")
    share = [_program("load_balancer/files/share_certificates.py")] if fleet.balances and fleet.balancers[1:] else []
    if not fleet.orders_itself:
        units = [f"emperor-certificates.{kind}" for kind in ("service", "timer")]
        fetch = [
            {"path": f"/etc/systemd/system/{unit}", "content": _text(f"load_balancer/templates/{unit}.j2")}
            for unit in units
        ]
        return [take, *share, *fetch, {"path": sharing.SOURCE, "content": f"{fleet.sealed_at()}\n"}]
    private = ca(inventory)
    variables = {**inventory.variables, "acme_ca": bool(private)}
    drop_in = render(action, str(argument_specs.ROLES / "flask_app/templates/certbot.conf.j2"), variables)
    wanted = [{"path": "/etc/systemd/system/certbot.service.d/emperor-flask.conf", "content": drop_in}, take, *share]
    return [*wanted, {"path": "/etc/emperor-flask/acme-ca.crt", "content": private}] if private else wanted


def _program(file: str) -> dict[str, str]:
    name = Path(file).stem.replace("_", "-")
    return {"path": f"/usr/local/lib/emperor-flask/{name}", "content": _text(file), "mode": "0755"}


def _text(file: str) -> str:
    return (argument_specs.ROLES / file).read_text(encoding="utf-8")


def ca(inventory: Inventory) -> str:
    """The certificates of a private authority's CA, or nothing; raises Refusal for what are none."""
    given = _value(inventory, CA)
    if not given:
        return ""
    path = Path(inventory.path(given))
    if not path.is_file():
        raise Refusal(f"{CA}: {missing(path)}")
    content = path.read_bytes()
    try:
        x509.load_pem_x509_certificates(content)
    except ValueError:
        raise Refusal(f"{CA}: {path} holds no certificate in PEM; name the one of the authority's CA") from None
    return content.decode()


def _value(inventory: Inventory, name: str) -> str:
    """A variable of the role nginx, whose defaults are not there where a play does not apply it."""
    return str(inventory.value(name, argument_specs.options("nginx")[name]["default"]) or "")
