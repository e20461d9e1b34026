"""Small apps, without a package, and with some of all that an app may have. And what a host has of one."""

import shutil
from dataclasses import dataclass, field, replace

from plays import FIXTURES

TRAITS = {
    "workers": [{"name": "idle-hands", "command": "sleep 86400", "processes": 2, "check": 0, "stop_timeout": 1}],
    "timers": [{"name": "far-off", "command": "true", "schedule": "2100-01-01"}],
    "tls": {"mode": "self_signed"},
    "static": {"/static": "static"},
    "shared": ["kept"],
}
KEPT = 3  # releases of each
HAS = r"""
/etc/nginx/conf.d/{app}.conf
/etc/systemd/system/emperor-{unit}.slice
/etc/systemd/system/uwsgi-emperor.target.wants/uwsgi-emperor@{app}.service
/etc/systemd/system/uwsgi-emperor@{app}.service.d
/etc/systemd/system/uwsgi-emperor@{app}.service.d/box.conf
/etc/uwsgi/vassals/{app}
/etc/uwsgi/vassals/{app}/LIVE.ini
/var/lib/emperor-flask/apps/{app}
/var/lib/emperor-flask/apps/{app}/activation
/var/lib/emperor-flask/locks/{app}
/var/log/uwsgi/{app}
/var/log/uwsgi/{app}/emperor.log
/var/log/uwsgi/{app}/{app}_uwsgi.log
/var/www/{app}
/var/www/{app}/build
/var/www/{app}/code
/var/www/{app}/current
/var/www/{app}/releases
/var/www/{app}/run
/var/www/{app}/run/LIVE.sock
/var/www/{app}/run/emperor.stats
/var/www/{app}/secrets
/var/www/{app}/secrets/NUMBER
/var/www/{app}/shared
/var/www/{app}/static
/var/www/{app}/venvs
/var/www/{app}/{app}_nginx.conf
/var/www/{app}/{app}_uwsgi.ini
/var/www/{app}/{app}_uwsgi.sock
user {app}
user _{app}
group {app}
group _{app}
a process of {app} in uwsgi-emperor@{app}.service
a process of {app} in uwsgi-emperor@{app}.service
a process of {app} in uwsgi-emperor@{app}.service
emperor-{unit}.slice is active
uwsgi-emperor@{app}.service is active
"""
PRIVATE = """
/tmp/private-{service}
/tmp/private-{service}/tmp
/var/tmp/private-{service}
/var/tmp/private-{service}/tmp
"""
WORKER = """
/etc/systemd/system/{service}
/etc/systemd/system/uwsgi-emperor.target.wants/{service}
{service} is active
a process of {app} in {service}
"""
HAS_WITH = {
    "timers": r"""
/etc/systemd/system/emperor-timer-{unit}-far\x2doff.service
/etc/systemd/system/emperor-timer-{unit}-far\x2doff.timer
/etc/systemd/system/uwsgi-emperor.target.wants/emperor-timer-{unit}-far\x2doff.timer
/var/lib/systemd/timers/stamp-emperor-timer-{unit}-far\x2doff.timer
emperor-timer-{unit}-far\x2doff.timer is active
""",
    "tls": """
/etc/nginx/certificates/{app}
/etc/nginx/certificates/{app}/combined.pem
""",
}


@dataclass(frozen=True)
class State:
    """What a release is made of: a number in its code, one in its environment, and what it has."""

    code: int
    word: int
    traits: frozenset


@dataclass
class SmallApp:
    """An app of the walk. ``releases`` are those that a rollback can go to, and the live one, the last."""

    name: str
    folder: object = None
    releases: list = field(default_factory=list)
    had: str = None  # the name that it had before
    kept: set = field(default_factory=set)  # what stays of a trait that it has no longer: a rollback may need it

    @property
    def state(self):
        """That of its live release."""
        return self.releases[-1]

    def __str__(self):
        before = f"(was {self.had}) " if self.had else ""
        return f"{self.name} {before}{self.state.code} {self.state.word} {' '.join(sorted(self.state.traits))}"

    def write(self):
        """Bring the code onto the controller's disk as its state has it."""
        shutil.copytree(FIXTURES / "plain", self.folder, dirs_exist_ok=True)
        for file in ("VERSION", "static/VERSION"):
            (self.folder / file).write_text(f"{self.state.code}\n")

    def release(self, **changes):
        """Become another release."""
        self.kept |= {"tls"} & self.state.traits
        self.releases = [*self.releases, replace(self.state, **changes)][-KEPT:]

    def go_back(self):
        """Be the release before again."""
        self.kept |= {"tls"} & self.state.traits
        self.releases.pop()

    def rename(self, name):
        """Take another name. No release of the old one can be gone back to."""
        self.name, self.had, self.releases, self.kept = name, self.name, [self.state], set()

    @property
    def entry(self):
        """Its entry in flask_apps."""
        return {
            "name": self.name,
            "module": "plain:app",
            "source": {"path": str(self.folder)},
            "requirements": [],
            "server_names": [f"{self.name}.test"],
            "processes": 1,
            "threads": 2,
            "keep_releases": KEPT,
            "env": {"PLAIN_WORD": str(self.state.word)},
            **({"renamed_from": self.had} if self.had else {}),
            **{trait: TRAITS[trait] for trait in self.state.traits},
        }

    @property
    def unit(self):
        """Its name in that of a unit."""
        return self.name.replace("-", r"\x2d")

    def lines(self):
        """All that a host has of it (look.py)."""
        names = {"app": self.name, "unit": self.unit}
        workers = [rf"emperor-worker-{self.unit}-idle\x2dhands-LIVE-{process}.service" for process in (1, 2)]
        services = [f"uwsgi-emperor@{self.name}.service"]
        text = HAS + "".join(HAS_WITH.get(trait, "") for trait in self.state.traits | self.kept)
        if "workers" in self.state.traits:
            services += workers
            text += "".join(WORKER.replace("{service}", worker) for worker in workers)
        if {"workers", "timers"} & self.state.traits:
            text += "/var/www/{app}/secrets/background-LIVE\n"
        text += "".join(PRIVATE.replace("{service}", service) for service in services)
        return [line for line in text.format(**names).split("\n") if line]

    def archive(self):
        """What a host keeps of it when it has left the list."""
        return [f"/var/lib/emperor-flask/archives/{self.name}-DATE.tar.gz"] if "shared" in self.state.traits else []

    def asked(self):
        """What it is asked for: scheme, name, path."""
        return [
            (scheme, f"{self.name}.test", path) for scheme in ("http", "https") for path in ("/", "/static/VERSION")
        ]

    def answers(self):
        """What it answers then; without a release, it is not there."""
        if not self.releases:
            return [f"{scheme}://{name}{path} says 000" for scheme, name, path in self.asked()]
        said = {"/": f"{self.state.code} {self.state.word}"}
        if "static" in self.state.traits:
            said["/static/VERSION"] = str(self.state.code)
        other = {"http": "308"} if "tls" in self.state.traits else {"https": "000"}
        return [
            f"{scheme}://{name}{path} says {other.get(scheme, said.get(path, said['/']))}"
            for scheme, name, path in self.asked()
        ]
