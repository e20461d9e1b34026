# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entries of flask_apps: merge their defaults, convert them, and say everything that is wrong with them.

Each ``_check_*`` yields sentences that name the key, the value and the remedy; the caller puts the app's name before them.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.release.shell_exports import exports
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import (
    background,
    idle,
    limits,
    nginx_options,
    renaming,
    server_names,
    tls,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import argument_specs
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import requirements
from ansible_collections.emperor.flask.plugins.plugin_utils.release import code_and_packages
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.missing import missing

App = dict[str, Any]

NAME = re.compile(r"[a-z][a-z0-9_-]*")
RESERVED = {
    "app": "Debian's package uwsgi's folder of logs",
    "default": "the packaged default site's",
    "html": "the packaged default page's",
    "nginx": "nginx.org's account's",
}
NAME_LENGTH = 31  # useradd(8) refuses accounts of more than 32; the one that builds for the app has one more character
MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)*(:[A-Za-z_]\w*(\(\))?)?")
DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]+")  # a package's name (Debian Policy, 5.6.1)
SIZE = re.compile(r"\d+[kKmMgG]?")
STATUS = re.compile(r"([1-5]\d\d)(?:-([1-5]\d\d))?")
MOST_DRAIN = 55  # seconds: below emperor-curse-tolerance, and TimeoutStopSec of the Emperors' unit
MOST_STREAMS = 10_000  # threads of a process: each takes a few KiB of memory, and some of its address space
OPTION = re.compile(r"[a-z0-9][a-z0-9_-]*")
# Options of uWSGI that break a vassal of today's Pythons, or that something else is for.
REFUSED_OPTIONS = {
    "py-call-osafterfork": "it ends workers with a fatal error on Python 3.13 and later; without preload each worker imports the app, and needs no such call",
    "thunder-lock": "it costs a third of the throughput, and can hang all workers once one was killed; uWSGI does without",
    "py-tracebacker": "where a thread keeps the GIL, uWSGI's master would wait for it for ever; the log says where a request is stuck",
    "lazy": "it is lazy-apps, but for what it breaks; say preload",
    "lazy-apps": "say preload",
    "home": "the app runs in its own virtual environment's Python; say python",
    "venv": "the app runs in its own virtual environment's Python; say python",
    "virtualenv": "the app runs in its own virtual environment's Python; say python",
    "pyhome": "the app runs in its own virtual environment's Python; say python",
    "binary-path": "the app runs in its own virtual environment's Python; say python",
    "gevent": "say concurrency: gevent",
    "gevent-monkey-patch": "say concurrency: gevent, which patches before the app is imported",
    "gevent-early-monkey-patch": "say concurrency: gevent",
    "daemonize": "its Emperor would lose the vassal; remove it",
}
LIVE = ("flask-sock", "flask-socketio", "flask-sse")  # packages for websockets and event streams
SOCKET_IO = "flask-socketio"
TEMPLATES = ("nginx_template", "vassal_template")  # files of the user's in the place of the role's


def merge(defaults: App, app: App) -> App:
    """Lay an app over the defaults: dictionaries key by key, except ``source``, which is stated as a whole."""
    merged = {**defaults, **app}
    for key, value in app.items():
        if isinstance(value, dict) and isinstance(defaults.get(key), dict) and key != "source":
            merged[key] = merge(defaults[key], value)
    return merged


def defaults_for(app: App, defaults: App) -> App:
    """The defaults that hold for an app: threads are for those that have some."""
    concurrency = app.get("concurrency", defaults.get("concurrency"))
    return {key: value for key, value in defaults.items() if (key, concurrency) != ("threads", "gevent")}


def prepare(app: App, base: Path, version: str | None = None, with_source: bool = True) -> tuple[App, list[str]]:
    """Return an app with every key, converted, and the sentences that say what is wrong with it.

    ``base`` is the folder that a relative path starts from; ``version`` takes the place of the source's own.
    The content is checked once the form is right; that of the source only ``with_source``, since it may have to be fetched.
    """
    schema = argument_specs.options("flask_app", "app")
    if app.get("state") == "absent":  # all it needs is a name
        schema = {key: {**option, "required": key == "name"} for key, option in schema.items()}
    stated = app.get("source")
    if isinstance(stated, dict) and isinstance(stated.get("version"), float):
        return app, [f"source.version is the number {stated['version']}; put it in quotes, or 1.10 becomes 1.1"]
    prepared, mistakes, unknown = argument_specs.check(schema, app)
    mistakes += [_unknown(schema, key) for key in unknown]
    if mistakes:
        return prepared, mistakes
    if prepared["state"] == "absent":
        return prepared, list(_check_names(prepared))
    mistakes += [
        mistake for name in prepared["server_names"] for mistake in server_names.mistakes("server_names", name)
    ]
    mistakes += (
        server_names.mistakes("canonical_host", prepared["canonical_host"]) if prepared["canonical_host"] else []
    )
    mistakes += source.mistakes(prepared["source"], version)
    if mistakes:
        return prepared, mistakes
    prepared["server_names"] = list(dict.fromkeys(map(server_names.normal, prepared["server_names"])))
    prepared["canonical_host"] = server_names.normal(prepared["canonical_host"])
    prepared["source"] = source.located(source.with_version(prepared["source"], version), base)
    headers = schema["security_headers"]["default"]
    prepared["security_headers"] = nginx_options.with_default_headers(prepared["security_headers"], headers)
    for key in TEMPLATES:
        prepared[key] = str((base / prepared[key]).resolve()) if prepared[key] else None
    if prepared["concurrency"] == "gevent" and app.get("threads") is not None:
        mistakes.append(
            f"threads is {app['threads']}, but concurrency is gevent, which has none; remove threads, and say streams"
        )
    prepared["tls"] = tls.located(prepared["tls"], base)
    for check in CHECKS:
        mistakes += check(prepared)
    mistakes += _check_source(prepared) if with_source else []
    prepared["idle"] = idle.seconds(prepared["idle"])
    return prepared, mistakes


def warnings(app: App) -> Iterator[str]:
    """What will probably not work, as far as the packages of a right app tell."""
    try:
        names = requirements.plan(source.resolve(app["source"]), app["requirements"], app["module"]).names()
    except Refusal:  # it has changed since it was checked: what needs it next says so
        return
    for name in LIVE:
        if name in names and not app["streams"]:
            yield (
                f"{name} is among its packages, but streams is 0, so it can keep no websocket or event stream open; "
                "say streams: N, the number that a process may have open"
            )
            break
    if SOCKET_IO in names and app["processes"] != 1:
        yield (
            f"{SOCKET_IO} is among its packages: Socket.IO's polling must find the process that it began with; "
            "say processes: 1, and streams for all of its clients"
        )


def chosen(apps: list[App], only: str | None) -> tuple[list[App], list[str]]:
    """The app of this name, or all apps where no name is given; and what is wrong with the name."""
    names = [app["name"] for app in apps]
    if only is None or only in names:
        return [app for app in apps if only in (None, app["name"])], []
    near = difflib.get_close_matches(only, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return [], [f"app '{only}' is not in flask_apps: {hint}The apps here are {', '.join(names) or 'none'}"]


def missing_template(path: Path) -> str | None:
    """Say that a template of the user's is not there."""
    return None if path.is_file() else missing(path)


def label(app: Any, index: int) -> str:
    """How messages call an app: by its name, or by its place while it has none."""
    name = app.get("name") if isinstance(app, dict) else None
    return f"app '{name}'" if name else f"flask_apps[{index}]"


def conflicts(apps: list[App]) -> Iterator[str]:
    """What is wrong between apps: one name, one server name, or the default server, twice."""
    for name, count in Counter(app["name"] for app in apps).items():
        if count > 1:
            yield f"app '{name}': name '{name}' is used by {count} apps; give each app a name of its own"
    yield from renaming.conflicts(apps)
    owner: dict[str, str] = {}
    for app in apps:
        for server_name in app["server_names"] or [""] if app.get("state") != "absent" else []:
            first = owner.setdefault(server_name.lower(), app["name"])
            if first == app["name"]:
                continue
            if server_name:
                yield f"app '{app['name']}': server_names has '{server_name}', which app '{first}' answers for; remove it from one of them"
            else:
                yield (
                    f"app '{app['name']}': server_names is empty, which makes it the default server, and so does app '{first}'; "
                    "give one of them server_names"
                )
    yield from _dead_ends(apps, owner)


def _dead_ends(apps: list[App], owner: dict[str, str]) -> Iterator[str]:
    """Apps that stay and send visitors to a name of one that is to go, unless another that stays, its ``owner``, answers for that."""
    going = [app for app in apps if app.get("state") == "absent"]
    for gone, name in [(each, name) for each in going for name in each["server_names"] if name.lower() not in owner]:
        for app in apps:
            sends = re.search(rf"//{re.escape(name)}(?![\w.-])", app.get("nginx_extra") or "", re.IGNORECASE)
            if sends and app not in going:
                yield (
                    f"app '{gone['name']}' is to be absent, but nginx_extra of app '{app['name']}' sends visitors to {name}, "
                    "which nobody would answer for; change that first"
                )


def _unknown(schema: dict[str, Any], dotted: str) -> str:
    known = argument_specs.keys_beside(schema, dotted)
    near = difflib.get_close_matches(dotted.rpartition(".")[2], known, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"unknown key '{dotted}': {hint}The keys here are {', '.join(known)}"


def _check_names(app: App) -> Iterator[str]:
    name = app["name"]
    if not NAME.fullmatch(name):
        yield f"name '{name}' must be a small letter followed by small letters, digits, '_' or '-'; it is also a Unix user and a folder"
    if len(name) > NAME_LENGTH:
        yield f"name '{name}' has {len(name)} characters; it is also a Unix user and may have {NAME_LENGTH}, so shorten it"
    if app["renamed_from"] and not NAME.fullmatch(app["renamed_from"]):
        yield f"renamed_from '{app['renamed_from']}' is not the name of an app; say the one that it had before, such as notes"
    if name in RESERVED:
        yield f"name '{name}' is {RESERVED[name]} name; choose another"
    if app["state"] == "present" and not MODULE.fullmatch(app["module"]):
        yield f"module '{app['module']}' must be like 'package.module:app', or 'package:create_app()' to call a factory"


def _check_numbers(app: App) -> Iterator[str]:
    for key in ("processes", "threads", "harakiri", "keep_releases"):
        if isinstance(app[key], bool) or (app[key] is not None and app[key] < 1):
            yield f"{key} is {app[key]}; it must be a number, at least 1"
    if isinstance(app["streams"], bool) or not 0 <= app["streams"] <= MOST_STREAMS:
        yield f"streams is {app['streams']}; it must be a number from 0 to {MOST_STREAMS}, the threads of a process that are for streams"
    if isinstance(app["drain"], bool) or not 1 <= app["drain"] <= MOST_DRAIN:
        yield f"drain is {app['drain']}; it must be a number of seconds from 1 to {MOST_DRAIN}, for the Emperor ends what is left after 60"
    if not SIZE.fullmatch(app["client_max_body_size"]):
        yield f"client_max_body_size '{app['client_max_body_size']}' is not a size; write a number with k, m or g, such as 75m"


def _check_source(app: App) -> Iterator[str]:
    """Gets the source on to the controller: only then is known whether there is such a commit, and which packages it wants."""
    try:
        found = source.resolve(app["source"])
        mistakes = [
            *requirements.mistakes(found, app["requirements"]),
            *nginx_options.source_mistakes(app, found),
            *code_and_packages.mistakes(found, app),
        ]
        yield from mistakes
        if not mistakes:
            plan = requirements.plan(found, app["requirements"], app["module"])
            if app["concurrency"] == "gevent" and plan.lacks("gevent"):
                yield f"concurrency is gevent, but gevent is not among its packages ({plan}); add it, or remove concurrency"
    except Refusal as refusal:
        yield str(refusal)


def _check_environment(app: App) -> Iterator[str]:
    for key in ("env", "secrets", "build_env"):
        for name, value in app[key].items():
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                kind = "nothing" if value is None else f"a {type(value).__name__}"
                yield f"{key}.{name} is {kind}; an environment variable is text, so put the value in quotes"
                continue
            try:
                exports({str(name): str(value)})
            except ValueError as error:
                yield f"{key}: {error}"
    for name in sorted(set(app["env"]) & set(app["secrets"])):
        yield f"'{name}' is in env and in secrets; keep one of them"


def _check_health(app: App) -> Iterator[str]:
    health = app["health"]
    if not re.fullmatch(r"/[!-~]*", health["path"]):
        yield f"health.path '{health['path']}' must start with '/' and have no blanks; encode others with %"
    if health["timeout"] < 1:
        yield f"health.timeout is {health['timeout']}; it must be at least 1 second"
    for status in health["status"]:
        if not STATUS.fullmatch(status):
            yield f"health.status has '{status}'; write a code such as 200, or a range such as 200-399"


def _check_release(app: App) -> Iterator[str]:
    for path in app["shared"]:
        parts = Path(path).parts
        if not parts or path.startswith("/") or ".." in parts or parts == (".",):
            yield f"shared has '{path}', which is outside of the release; write a path relative to the code, such as instance"
    for one, other in itertools.permutations(dict.fromkeys(app["shared"]), 2):
        if Path(one).is_relative_to(other):
            yield f"shared has '{one}' within '{other}'; the outer one is enough"
    for when, commands in app["hooks"].items():
        if any(not command.strip() for command in commands):
            yield f"hooks.{when} has an empty command; remove it"


def _check_extras(app: App) -> Iterator[str]:
    for key, example in (("system_packages", "libmagic1"), ("build_packages", "gcc")):
        for package in app[key]:
            if not DEBIAN.fullmatch(package):
                yield f"{key} has '{package}', which is not the name of a Debian or Ubuntu package; write one such as {example}"
    if not app["python"].startswith("/"):
        yield f"python '{app['python']}' must be an absolute path on the host, such as /usr/bin/python3"
    for option, value in app["vassal_extra"].items():
        values = value if isinstance(value, list) else [value]
        if not OPTION.fullmatch(str(option)):
            yield f"vassal_extra has '{option}', which is not a uWSGI option; write it without dashes before it"
        elif option in REFUSED_OPTIONS:
            yield f"vassal_extra has '{option}': {REFUSED_OPTIONS[option]}"
        elif any(not isinstance(one, (str, int, float)) or "\n" in str(one) for one in values):
            yield f"vassal_extra.{option} must be one line of text, a number, true or false, or a list of them"


def _check_templates(app: App) -> Iterator[str]:
    for key in TEMPLATES:
        if app[key] and (missing := missing_template(Path(app[key]))):
            yield f"{key}: {missing}"


CHECKS = (
    _check_names,
    _check_numbers,
    _check_environment,
    _check_health,
    _check_release,
    _check_extras,
    _check_templates,
    tls.mistakes,
    nginx_options.mistakes,
    limits.mistakes,
    background.mistakes,
    idle.mistakes,
)
