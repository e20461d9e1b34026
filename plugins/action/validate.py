# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse what cannot work: first what the inventory says, on the controller, then what only the host knows."""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import (
    closed_network,
    denied_networks,
    host_abilities,
    limits,
    metrics_path,
    nginx_options,
    pem_files,
    trusted_proxies,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import (
    apps,
    argument_specs,
    authority,
    fleet,
    known_host,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory, without_secrets
from ansible_collections.emperor.flask.plugins.plugin_utils.nginx import signing_keys
from ansible_collections.emperor.flask.plugins.plugin_utils.release import messages

ROLES = ("prerequisites", "nginx", "uwsgi_emperor", "flask_app")  # of a server
BALANCER_ROLES = ("prerequisites", "nginx", "load_balancer")
APPS = ("flask_apps", "flask_app_defaults")  # checked app by app, each under its own name
STRATEGIES = ("linear", "debug", "mitogen_linear")  # all hosts take a step before any takes the next
# How the variables of a role begin, where that is not its name.
PREFIXES = {"flask_app": "flask_app", "load_balancer": "fleet_"}
TEMPLATE = "_template"  # how the variables end that put a file of the user's in a template's place

display = Display()


class ActionModule(ActionBase):
    """Validate one role's variables, or all of them, and return the apps without their secrets."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return ``apps`` and ``host``; fail with every mistake at once."""
        super().run(tmp, task_vars)
        self._vars = task_vars or {}
        self._inventory = Inventory(self, self._vars)
        self._discovered: dict[str, Any] = {}
        _unused, arguments = self.validate_argument_spec({"role": {"choices": [*ROLES, "load_balancer"]}})
        balances = self._inventory.fleet.balances
        every = BALANCER_ROLES if balances else ROLES
        roles = [arguments["role"]] if arguments["role"] else list(every)
        mistakes = [
            *self._inventory.misspelt(),
            *(mistake for role in dict.fromkeys([*roles, "load_balancer"]) for mistake in self._check_variables(role)),
        ]
        if "flask_app" in roles:
            mistakes += self._check_strategy()
        if {"nginx", "flask_app"} & {*roles}:
            mistakes += authority.mistakes(self._inventory)
        concerns_all = []
        if fleet.looks_for_all(self._vars):
            concerns_all = [*fleet.mistakes(self._inventory.fleet), *fleet.apart(self._vars)]
        mistakes += fleet.too_few(self._vars, self._inventory.value(fleet.LEAST))
        prepared, found = self._inventory.apps(with_source="flask_app" in roles and _is_taken("flask_app"))
        mistakes += found or [*self._check_default_server(prepared), *self._check_certificates(prepared)]
        mistakes += self._check_signing_keys() if "nginx" in roles else []
        if concerns_all:
            return {"failed": True, "msg": _refusal([*mistakes, *concerns_all]), fleet.CONCERNS_ALL: concerns_all}
        _refuse(mistakes)
        hosted = [] if balances else prepared
        host = self._host(sorted({app["python"] for app in hosted} or {"/usr/bin/python3"}), arguments["role"] is None)
        listens_for_tls = host_abilities.listens_for_tls(host, self._inventory.serves_tls())
        ports = host_abilities.port_refusals(host, listens_for_tls) if "nginx" in roles else []
        for app in prepared if "flask_app" in roles else []:
            _warn(app)
        networks = []
        if "uwsgi_emperor" in roles:
            default = argument_specs.options("uwsgi_emperor")[denied_networks.VARIABLE]["default"]
            networks = self._inventory.value(denied_networks.VARIABLE, default)
        missing = metrics_path.refusals(host) if "flask_app" in roles else []
        elsewhere = fleet.of_another(self._inventory.fleet, host)
        abilities = host_abilities.refusals(host, hosted)
        _refuse([*abilities, *ports, *denied_networks.refusals(host, networks), *missing, *elsewhere])
        promised = self._inventory.promised_memory() if "flask_app" in roles else {}
        if said := limits.overcommitted(promised, host, self._vars["inventory_hostname"]):
            display.warning(said)
        shown = [without_secrets(app) for app in prepared]
        return {
            "changed": False,
            "apps": shown,
            "tls": listens_for_tls,
            "balancers": [] if balances else self._inventory.fleet.of_balancers(),
            "fleet": self._inventory.fleet.names_of_balancers,
            "host": host,
            "ansible_facts": {**self._discovered, **known_host.learnt(host)},
        }

    def _check_variables(self, role: str) -> Iterator[str]:
        """Check a role's own variables, and those that look like a misspelt one of them."""
        schema = argument_specs.options(role)
        given = {name: self._inventory.value(name) for name in schema if name in self._vars and name not in APPS}
        for mistake in argument_specs.check(schema, given)[1]:
            yield f"{mistake}; correct it in the inventory"
        for name, value in given.items():
            if (
                name.endswith(TEMPLATE)
                and value
                and (missing := apps.missing_template(self._inventory.path(str(value))))
            ):
                yield f"{name}: {missing}"
        if role == "prerequisites":
            yield from closed_network.mistakes(given)
        if role == "nginx":
            yield from trusted_proxies.mistakes(given)
        if role == "uwsgi_emperor":
            yield from denied_networks.mistakes(given)
            yield from nginx_options.ceilings(given)
        if role == "load_balancer":
            yield from fleet.least_mistakes(given)
        if role == "flask_app":
            yield from metrics_path.mistakes(given)
            yield from fleet.canary_mistakes(given)
        prefix = PREFIXES.get(role, f"{role}_")
        for name in self._vars:
            if name.startswith(prefix) and name not in schema:
                for near in difflib.get_close_matches(name, schema, n=1, cutoff=0.85):
                    yield f"'{name}' is not a variable of emperor.flask.{role}; did you mean '{near}'? If it is one of your own, give it another name"

    def _check_strategy(self) -> Iterator[str]:
        """A release goes from step to step on all hosts together, which is what the linear strategies do."""
        strategy = str(self._task.get_play().strategy)
        if strategy.rpartition(".")[2] not in STRATEGIES:
            yield f"strategy is '{strategy}', under which one host would serve a release that another refuses; say strategy: linear in the play"

    def _check_default_server(self, prepared: list[apps.App]) -> Iterator[str]:
        """The greeting page and an app cannot both answer on the default server."""
        if not boolean(self._inventory.value("nginx_greeting", False), strict=False):
            return
        for app in prepared:
            if not app["server_names"]:
                yield (
                    f"app '{app['name']}': server_names is empty, which makes it the default server, but nginx_greeting is true; "
                    "give the app server_names or set nginx_greeting to false"
                )

    def _check_certificates(self, prepared: list[apps.App]) -> list[str]:
        """Certificates that are files here have to be right before any host is asked; one that ends soon is warned about."""
        pairs, mistakes = pem_files.read_all(prepared, self._loader)
        for warning in pem_files.warnings(pairs):
            display.warning(warning)
        return mistakes

    def _check_signing_keys(self) -> list[str]:
        """A key is pinned by its whole fingerprint, or anybody could make one that fits."""
        keys = self._inventory.value("nginx_signing_keys", [])
        return [
            f"nginx_signing_keys has '{key}', which is not a fingerprint; write its 40 hexadecimal digits"
            for key in signing_keys.malformed(list(map(str, keys if isinstance(keys, list) else [keys])))
        ]

    def _host(self, pythons: list[str], for_all_roles: bool) -> dict[str, Any]:
        """What only the host knows: asked once per run, then taken from the facts.

        What stands is known to the roles that follow at once; where others come between, or packages are upgraded, each role asks.
        """
        known = known_host.known(self._vars)
        if known and set(pythons) <= set(known["pythons"]):
            return known
        upgrades = boolean(self._inventory.value("prerequisites_upgrade", False), strict=False)
        folders = metrics_path.folders(str(self._inventory.value(metrics_path.VARIABLE) or ""))
        asked = {"pythons": pythons, "folders": folders, "standing": for_all_roles and not upgrades}
        result = self._execute_module("emperor.flask.host_facts", module_args=asked, task_vars=self._vars)
        if "host" not in result:
            failed = messages.of(result)
            raise AnsibleActionFail(failed.get("msg", "the host does not answer"), result=failed)
        # The interpreter that Ansible found on the host, unless it was told one: without it the next task looks again.
        self._discovered = result.get("ansible_facts", {})
        host: dict[str, Any] = result["host"]
        return {**host, "ahead": round(host["clock"] - time.time())}


def _warn(app: apps.App) -> None:
    for warning in apps.warnings(app) if app["state"] == "present" else []:
        display.warning(f"app '{app['name']}': {warning}")


def _is_taken(tag: str) -> bool:
    """Tell whether the command line's tags take what has this one: an app's source that is out of reach must not stop ``--tags nginx``."""
    tags, skipped = set(context.CLIARGS.get("tags") or ["all"]), set(context.CLIARGS.get("skip_tags") or [])
    return bool(tags & {"all", "tagged", tag}) and not skipped & {"all", "tagged", tag}


def _refuse(mistakes: list[str]) -> None:
    if mistakes:
        raise AnsibleActionFail(_refusal(mistakes))


def _refusal(mistakes: list[str]) -> str:
    said = "\n".join(f"- {mistake}" for mistake in mistakes)
    return messages.visible(f"Nothing was changed, because:\n{said}")
