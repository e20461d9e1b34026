# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release stages: an app's code and packages, named by their digests."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.python.packages import Packages
from ansible_collections.emperor.flask.plugins.plugin_utils.packages import requirements, scm_version
from ansible_collections.emperor.flask.plugins.plugin_utils.packages.requirements import PROJECT, Plan
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import Cache
from ansible_collections.emperor.flask.plugins.plugin_utils.source.source import Source, resolve

INSTANCE = re.compile(
    r"var/[^/]+-instance"
)  # Flask's instance_path in the virtual environment that an app is installed in


def mistakes(source: Source, app: dict[str, Any]) -> Iterator[str]:
    """What is wrong with ``shared`` where an app is a package: beside its instance folder there is none that is its own."""
    for path in app["shared"] if source.package is not None else []:
        if not INSTANCE.fullmatch(path):
            name = app["module"].partition(":")[0].partition(".")[0]
            yield (
                f"shared has '{path}', but source.package has no folders beside its packages; what it keeps is Flask's instance folder, "
                f"which is named var/{name}-instance here"
            )


def _told(plan: Plan, source: Source, app: dict[str, Any]) -> Plan:
    """The plan with what its builds are told: the version that git has for the project, and what the inventory says."""
    version = (
        scm_version.variables(source, Cache.default()) if PROJECT in itertools.chain(*plan.packages.installs) else {}
    )
    given = {str(name): str(value) for name, value in app["build_env"].items()}
    return replace(plan, packages=replace(plan.packages, environment={**version, **given}))


def _built(digest: str, venv: str, shared: list[str], build: list[str]) -> str:
    """The digest of a source with shared paths linked into it and build hooks run in it; these may depend on the packages."""
    if not shared and not build:
        return digest
    identity = {"source": digest, "shared": shared, "build": build, "venv": venv if build else None}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _published(source: Source, code: str, venv: str, app: dict[str, Any]) -> str:
    """The digest of the files that nginx serves itself: of where they are from, since build hooks may make some; none, if there are none."""
    if not app["static"]:
        return ""
    identity = {"code": venv if source.package is not None else code, "static": app["static"]}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Stage:
    """An app's code, packages and static files for one Python. ``digest`` is the source's, ``code`` that of the code as it is served.

    ``instances`` are the shared paths that are in the virtual environment.
    """

    source: Source
    plan: Plan
    digest: str
    code: str
    venv: str
    static: str
    instances: list[str]

    @classmethod
    def read(cls, app: dict[str, Any], python: str) -> Stage:
        """Get the app's source; raises Refusal for what cannot be had or shipped."""
        source = resolve(app["source"])
        plan = _told(requirements.plan(source, app["requirements"], app["module"]), source, app)
        digest = source.digest()
        shared = sorted(app["shared"])
        instances = [path for path in shared if plan.installs_app and INSTANCE.fullmatch(path)]
        venv = plan.digest(python, digest, instances)
        code = _built(digest, venv, [path for path in shared if path not in instances], app["hooks"]["build"])
        return cls(source, plan, digest, code, venv, _published(source, code, venv, app), instances)

    @property
    def packages(self) -> Packages:
        """What the host installs."""
        return self.plan.packages

    @property
    def pythonpath(self) -> list[str]:
        """Folders modules are imported from, relative to the code: its top, and src/ where there is one; none for a package."""
        if self.source.package is not None:
            return []
        return ["", "src"] if any(name.startswith("src/") for name in self.source.files) else [""]

    @property
    def origin(self) -> dict[str, Any]:
        """Where code and packages are from, for the manifest; no part of the release's identity: a tag and its commit are one release."""
        return {"source": self.source.origin, "packages": self.packages.origin}

    def __str__(self) -> str:
        """What is released, in a line."""
        return f"{self.source}; packages: {self.plan}"
