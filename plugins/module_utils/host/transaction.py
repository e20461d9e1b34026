# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set of configuration files applied as one transaction: all of them, tested, or none.

A record per set, kept in ``STATE``, lists the files the set owns, so that a file it no longer lists can be taken away, and
says whether a reload is still owed, so that a run that died between writing and reloading is finished by the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from dataclasses import dataclass, field

from ansible_collections.emperor.flask.plugins.module_utils.host import outdated, systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import (
    CommandFailed,
    Refusal,
    pass_on_warnings,
    run,
    tail,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    ensure_directory,
    forget,
    keep,
    names_in,
    put_back,
    put_staged,
    remove,
    replace_file,
    stage,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.host_lock import host_lock

STATE = "/var/lib/emperor-flask"
ASIDE = ".emperor-flask.disabled"  # apt overlooks files of this suffix without a word (Dir::Ignore-Files-Silently)
UNITS = "/etc/systemd/system/"
SCHEMA = 1


@dataclass(frozen=True)
class File:
    """One file of a set; ``reload`` tells whether the service reads it, ``sensitive`` that nothing of it may be shown."""

    path: str
    content: bytes
    access: Access
    reload: bool = True
    sensitive: bool = False

    def differs(self) -> bool:
        """Tell whether the host has another content, kind, owner or mode at this path."""
        now = Snapshot.take(self.path)
        return now.content != self.content or self.access.differs(self.path)


@dataclass
class Record:
    """What a set owns on this host and has put aside, and whether its service still has to reload."""

    path: str
    owned: list[str] = field(default_factory=list)
    pending: bool = False
    aside: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, name: str, state: str = STATE) -> Record:
        """Read a set's record; a set that was never applied owns nothing."""
        path = os.path.join(state, f"{name}.json")
        content = Snapshot.take(path).content
        if content is None:
            return cls(path)
        data = json.loads(content)
        return cls(path, data["owned"], data["pending"], data.get("aside", []))

    def save(self, owned: list[str], pending: bool, aside: list[str]) -> None:
        """Write the record to disk, before or after the files it speaks of."""
        self.owned, self.pending, self.aside = sorted(owned), pending, sorted(aside)
        os.makedirs(os.path.dirname(self.path), 0o755, exist_ok=True)
        data = {"schema": SCHEMA, "owned": self.owned, "pending": pending, "aside": self.aside}
        replace_file(self.path, json.dumps(data, indent=2).encode(), Access(0o644))


def applied(state: str = STATE) -> list[str]:
    """Names of the sets that own files of this host or have put some aside."""
    names = [os.path.splitext(name)[0] for name in names_in(state) if name.endswith(".json")]
    records = {name: Record.load(name, state) for name in names}
    return [name for name, record in records.items() if record.owned or record.aside or record.pending]


@dataclass
class Transaction:
    """Everything a set wants of the host: made, it has only looked; ``apply`` changes, checks, reloads or puts back.

    What is listed in ``aside`` stands under another name for as long as it is listed. What is listed in ``generated`` is the service's to write.
    """

    record: Record
    files: list[File]
    generated: list[str] = field(default_factory=list)
    directories: dict[str, Access] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    check: list[str] = field(default_factory=list)
    service: str | None = None
    instances: str | None = None

    def __post_init__(self) -> None:
        self.missing = [
            path for path, access in self.directories.items() if not os.path.isdir(path) or access.differs(path)
        ]
        self.written = [file for file in self.files if file.differs()]
        self.listed = sorted({*(file.path for file in self.files), *self.generated})
        dropped = [path for path in self.record.owned if path not in self.listed]
        returning = [path for path in self.record.aside if path not in self.aside and os.path.lexists(path + ASIDE)]
        # Where a file has come into the place of one that was put aside, it is the newer one and stays.
        outdated = [path + ASIDE for path in returning if os.path.lexists(path)]
        self.removed = [path for path in [*self.absent, *dropped, *outdated] if os.path.lexists(path)]
        self.moved = [(path, path + ASIDE) for path in self.aside if os.path.lexists(path)]
        self.moved += [(path + ASIDE, path) for path in returning if not os.path.lexists(path)]
        self.idle = self.service is not None and not systemd.is_ready(self.service)
        self.reloading = self.served = False
        # Instances are outdated when the unit that they run under changes; where it is new, none runs yet.
        units = [file.path for file in self.written if file.reload and file.path.startswith(UNITS)]
        self.outdates = bool(self.instances) and (self.record.pending or any(os.path.exists(path) for path in units))
        self.kept: list[str] = []
        self.ended: list[str] = []

    @property
    def changed(self) -> bool:
        """Tell whether ``apply`` has anything to do."""
        return bool(self.missing or self.written or self.removed or self.moved or self.idle or self.record.pending)

    def diff(self) -> list[dict[str, str]]:
        """The changes as Ansible's diff shows them."""
        shown = [
            {"before_header": path, "after_header": path, "before": "", "after": "folder\n"} for path in self.missing
        ]
        for file in self.written:
            shown.append(_diff(file.path, Snapshot.take(file.path), file.content.decode(), file.sensitive))
        shown += [_diff(path, Snapshot.take(path), "") for path in self.removed]
        return shown + [
            {"before_header": old, "after_header": new, "before": f"{old}\n", "after": f"{new}\n"}
            for old, new in self.moved
        ]

    def apply(self) -> None:
        """Bring the host to the set's state and run its check; on any failure put everything back and raise.

        Whatever needs space on the disk is done before the first file is exchanged, and putting back needs none. Under the host's lock.
        """
        with host_lock():
            self._apply()

    def _apply(self) -> None:
        record = self.record
        owned, pending, aside = list(record.owned), record.pending, list(record.aside)
        listed, hidden = self.listed, sorted(self.aside)
        self.reloading = pending or bool(self.removed or self.moved) or any(file.reload for file in self.written)
        if self._paths() or (listed, hidden) != (owned, aside):
            record.save([*{*listed, *owned}], self.reloading, [*{*hidden, *aside}])
        try:
            self._stage()
            self._end_removed()
            self._exchange()
            self.test()
            self._serve()
        except BaseException:
            self._put_back()
            self._serve_as_before()
            with contextlib.suppress(
                OSError
            ):  # the record then owns too much and owes a reload; the next run settles both
                record.save(owned, pending, aside)
            raise
        self._forget()
        if record.pending or (listed, hidden) != (record.owned, record.aside):
            record.save(listed, False, hidden)

    def test(self) -> None:
        """Run the set's check command; raise Refusal with what it printed."""
        if not self.check:
            return
        try:
            pass_on_warnings(run(self.check))
        except CommandFailed as error:
            code = " [nginx-refuses]" if self.check[0] == "nginx" else ""
            raise Refusal(f"'{' '.join(self.check)}' refuses the configuration{code}: {tail(error.output)}") from error

    def _stage(self) -> None:
        for path, access in self.directories.items():
            ensure_directory(path, access)
        for file in self.written:
            stage(file.path, file.content, file.access)

    def _end_removed(self) -> None:
        """End the units whose files go, a timer before what it starts: systemd would keep them as it has read them."""
        units = [os.path.basename(path) for path in self.removed if os.path.dirname(path) == UNITS.rstrip("/")]
        self.ended = [unit for unit in units if systemd.is_ready(unit)]
        for unit in sorted(units, reverse=True):
            systemd.disable_now(unit)

    def _exchange(self) -> None:
        for path in self._paths():
            keep(path)
            self.kept.append(path)
        for file in self.written:
            put_staged(file.path)
        for path in self.removed:
            remove(path)
        for old, new in self.moved:
            os.rename(old, new)

    def _paths(self) -> list[str]:
        """Every path at which something changes."""
        return [file.path for file in self.written] + self.removed + [path for pair in self.moved for path in pair]

    def _put_back(self) -> None:
        """Put every file back that can be; if one cannot, raise OSError while the record still owes a reload."""
        failed = []
        for path in self.kept:
            try:
                put_back(path)
            except OSError as error:
                failed.append(f"{path} could not be put back: {error}")
        if failed:
            raise OSError("; ".join(failed))
        self._forget()

    def _forget(self) -> None:
        """Leave nothing beside the files, not even what a run that died had put there."""
        aside = {*self.aside, *self.record.aside}
        for path in {*(file.path for file in self.files), *self.record.owned, *self.removed, *self.absent, *aside}:
            forget(path)
        for path in aside:
            forget(path + ASIDE)

    def _serve(self) -> None:
        if self._touches_units():
            systemd.daemon_reload()
        if self.service and self.reloading:
            self.served = True
            self._reload()
        if self.service and self.idle:
            systemd.enable_now(self.service)

    def _reload(self) -> None:
        """Let the service read its files again; its instances reload, but for a changed unit: they are marked as outdated, for only a start applies it."""
        if self.instances is None:
            systemd.reload(str(self.service))
        elif self.outdates:
            outdated.mark(self.instances)
        else:
            systemd.try_reload(self.instances)

    def _serve_as_before(self) -> None:
        if self._touches_units():
            systemd.daemon_reload()
        if self.service and self.served:
            systemd.try_reload(self.instances or self.service)
        for unit in self.ended:
            systemd.enable_now(unit)

    def _touches_units(self) -> bool:
        return any(path.startswith(UNITS) for path in [*(file.path for file in self.written), *self.removed])


def _diff(path: str, before: Snapshot, after: str, sensitive: bool = False) -> dict[str, str]:
    """One change. What stood there and not everybody may read is not shown either: it may have been sensitive once."""
    if sensitive or (before.content is not None and not before.mode & stat.S_IROTH):
        was, will_be = "not shown\n" if before.content else "", "not shown, but changed\n" if after else ""
        return {"before_header": path, "after_header": path, "before": was, "after": will_be}
    text = f"link to {before.link}\n" if before.link is not None else (before.content or b"").decode(errors="replace")
    return {"before_header": path, "after_header": path, "before": text, "after": after}
