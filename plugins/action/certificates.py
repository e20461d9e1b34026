# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller half of emperor.flask.certificates: reads and checks those that are files here, and asks the host only where there are any."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import SET
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import pem_files, renaming, tls
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import authority
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from ansible_collections.emperor.flask.plugins.plugin_utils.release import lock_owner, messages

Result = dict[str, Any]
MODULE = "emperor.flask.certificates_on_host"
READ = "__load_balancer_read"  # where the role load_balancer registers what a balancer is known by, and the first one's certificates


class ActionModule(ActionBase):
    """Take a step for all apps that are served over TLS."""

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        """Return the module's result."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._inventory = Inventory(self, self._vars)
        _unused, arguments = self.validate_argument_spec(
            {
                "step": {"choices": ["provide", "issue", "read", "share", "default_server"], "required": True},
                "host": {"type": "dict", "default": {}},
                "due": {"type": "list", "elements": "str", "default": []},
            }
        )
        if arguments["step"] == "default_server":
            return self._module(step="default_server")
        if arguments["step"] == "issue":
            return self._issue(arguments["due"])
        if arguments["step"] == "read":
            return self._read()
        if arguments["step"] == "share":
            return self._share()
        return self._provide(arguments["host"])

    def _provide(self, host: Result) -> Result:
        """Ask the host where an app is served over TLS, or certbot renews for one that no longer orders anything, or for none at all."""
        lineages, sets = host.get("lineages", []), host.get("sets", [])
        prepared = self._apps()
        apps = [app for app in prepared if tls.serves(app) or app["name"] in lineages]
        pairs, wrong = pem_files.read_all(apps, self._loader)
        if wrong:
            raise AnsibleActionFail("\n".join(wrong))
        wanted = authority.is_wanted(self._inventory)
        obsolete = SET in sets and not wanted and not lineages  # what is still renewed may still be served
        # A balancer's sites of apps that are gone are gone already, but for their certificates.
        balances = self._inventory.fleet.balances
        if not apps and not wanted and not obsolete and not (balances and key_pairs.SET in sets):
            return {"changed": False}
        return self._module(
            step="provide",
            complete=balances,
            apps=[self._item(app) for app in apps],
            pairs={name: pair.texts() for name, pair in pairs.items()},
            renewal=authority.files(self, self._inventory) if wanted else [] if obsolete else None,
            orders=self._inventory.fleet.orders_itself,
            shares=wanted and len(self._inventory.fleet.balancers) > 1,
        )

    def _issue(self, due: list[str]) -> Result:
        if self._task.check_mode:
            return {"changed": bool(due)}
        apps = [self._item(app) for app in self._apps() if app["name"] in due]
        # A server keeps the certificate of an app that gives TLS up, for a rollback; a balancer has no releases.
        if self._inventory.fleet.balances:
            apps = [{**app, "mode": "gone"} if app["mode"] == "none" else app for app in apps]
        apps += [{"name": name, "mode": "gone"} for name in due if name not in [app["name"] for app in apps]]
        return self._module(step="issue", apps=apps, renews=authority.is_wanted(self._inventory))

    def _read(self) -> Result:
        """What a balancer is known by, and the certificates of an authority's that others are to have too; nothing where none orders for another."""
        names = [app["name"] for app in self._apps() if app["tls"]["mode"] == "acme"]
        fleet = self._inventory.fleet
        if not names or len(fleet.balancers) < 2 or self._task.check_mode:
            return {"changed": False}
        ordered = names if fleet.orders_itself else []
        return self._module(step="read", apps=[{"name": name, "mode": "acme"} for name in ordered])

    def _share(self) -> Result:
        """Tell the balancers of this run whom to believe, and bring the others what the first has registered."""
        first, *others = self._inventory.fleet.balancers
        read = {host: self._vars["hostvars"][host].get(READ, {}) for host in (first, *others)}
        known = {host: seen["known"] for host, seen in read.items() if seen.get("known")}
        if self._inventory.fleet.orders_itself and known:
            return self._module(
                step="share", others=others, known={host: known[host] for host in others if host in known}
            )
        if first in known and not self._inventory.fleet.orders_itself:
            return self._module(step="share", known={first: known[first]}, pairs=read[first]["pairs"])
        return {"changed": False}

    def _apps(self) -> list[Result]:
        prepared, mistakes = self._inventory.apps(with_source=False)
        if mistakes:
            raise AnsibleActionFail("\n".join(mistakes))
        return prepared

    def _item(self, app: Result) -> Result:
        mode = app["tls"]["mode"] if tls.serves(app) else "none"
        item = {
            "name": app["name"],
            "renamed_from": renaming.old_name(app),
            "mode": mode,
            "names": tls.certificate_names(app["server_names"]),
        }
        if mode == "acme" and not self._inventory.fleet.orders_itself:
            return {**item, "mode": "shared"}
        return {**item, "order": authority.order(self._inventory)} if mode == "acme" else item

    def _module(self, pairs: Result | None = None, **arguments: Any) -> Result:
        lock_owner.require()
        return messages.of(
            self._execute_module(
                module_name=MODULE, module_args={"request": arguments, "pairs": pairs or {}}, task_vars=self._vars
            )
        )
