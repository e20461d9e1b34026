"""Whatever fails at whatever point, the files are as before or as asked for, and a reload that is owed is not lost."""

import errno
import os
from dataclasses import dataclass

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import commands
from ansible_collections.emperor.flask.plugins.module_utils.host import transaction as module
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record, Transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mine import ME


class Systemd:
    """Stands in for the machine's systemd, whose services a unit test must not touch."""

    def __init__(self, ready=True, broken=False):
        self.ready, self.broken, self.calls = ready, broken, []

    def is_ready(self, unit):
        return self.ready

    def reload(self, unit):
        self.calls.append("reload")
        if self.broken:
            raise Refusal(f"{unit} does not start")

    def try_reload(self, unit):
        self.calls.append("try_reload")

    def mark(self, unit):
        self.calls.append(f"mark {unit}")

    def daemon_reload(self):
        self.calls.append("daemon_reload")

    def enable_now(self, unit):
        self.calls.append("enable_now")

    def disable_now(self, unit):
        self.calls.append(f"disable_now {unit}")


@pytest.fixture
def systemd(monkeypatch):
    fake = Systemd()
    monkeypatch.setattr(module, "systemd", fake)
    monkeypatch.setattr(module, "outdated", fake)
    return fake


@pytest.fixture
def save(monkeypatch):
    """Records are root's on a host; here they are ours."""
    monkeypatch.setattr(module, "Access", lambda mode: Access(mode, ME.owner, ME.group))


def make(tmp_path, files, **options):
    """A transaction over ``files`` (name to content) of one folder."""
    wanted = [File(str(tmp_path / name), content, ME) for name, content in files.items()]
    return Transaction(Record.load("set", str(tmp_path / "state")), wanted, **options)


def read(tmp_path):
    """Every file of the folder with its content."""
    return {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_files_are_written_once_and_the_service_reloads_once(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1"}, service="nginx").apply()
    assert (read(tmp_path), systemd.calls) == ({"a": b"1"}, ["reload"])
    again = make(tmp_path, {"a": b"1"}, service="nginx")
    assert (again.changed, again.diff()) == (False, [])
    again.apply()
    assert systemd.calls == ["reload"]


def test_nothing_of_a_sensitive_file_is_shown_when_it_comes_changes_or_goes(tmp_path, systemd, save):
    private = Access(0o640, ME.owner, ME.group)

    def holding(*contents):
        files = [File(str(tmp_path / "netrc"), content, private, sensitive=True) for content in contents]
        return Transaction(Record.load("set", str(tmp_path / "state")), files)

    for contents in ([b"first-token"], [b"second-token"], []):
        transaction = holding(*contents)
        assert transaction.changed
        (part,) = transaction.diff()
        assert part["before"] != part["after"]
        assert "token" not in str(part)
        transaction.apply()


def test_a_file_the_service_does_not_read_reloads_nothing(tmp_path, systemd, save):
    file = File(str(tmp_path / "logrotate"), b"1", ME, reload=False)
    Transaction(Record.load("set", str(tmp_path / "state")), [file], service="nginx").apply()
    assert systemd.calls == []


def test_a_file_that_is_no_longer_listed_goes_and_a_strangers_stays(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1", "b": b"2"}).apply()
    (tmp_path / "stranger").write_bytes(b"3")
    second = make(tmp_path, {"a": b"1"})
    assert second.removed == [str(tmp_path / "b")]
    second.apply()
    assert read(tmp_path) == {"a": b"1", "stranger": b"3"}


def test_what_the_service_writes_is_its_own_until_it_is_no_longer_listed(tmp_path, systemd, save):
    for name in ("first", "second"):
        made = make(tmp_path, {"a": b"1"}, generated=[str(tmp_path / name)])
        made.apply()
        assert not make(tmp_path, {"a": b"1"}, generated=[str(tmp_path / name)]).changed
        assert read(tmp_path) == {"a": b"1"}, "the one before is gone, and this one is not ours to write"
        (tmp_path / name).write_bytes(b"metrics")
    assert not make(tmp_path, {"a": b"1"}, generated=[str(tmp_path / "second")]).changed
    make(tmp_path, {}).apply()
    assert read(tmp_path) == {}


def test_a_unit_whose_file_goes_is_ended_first_and_runs_again_where_it_is_put_back(
    tmp_path, systemd, save, monkeypatch
):
    monkeypatch.setattr(module, "UNITS", f"{tmp_path}/")
    monkeypatch.setattr(systemd, "is_ready", lambda unit: unit.endswith(".timer"))
    monkeypatch.setattr(systemd, "enable_now", lambda unit: systemd.calls.append(f"enable_now {unit}"))
    (tmp_path / "other.timer.d").mkdir()
    make(tmp_path, {"our.service": b"1", "our.timer": b"1", "other.timer.d/hourly.conf": b"1"}).apply()
    systemd.calls.clear()
    with pytest.raises(Refusal):
        make(tmp_path, {}, check=["false"]).apply()
    assert read(tmp_path) == {"our.service": b"1", "our.timer": b"1"}
    ended = ["disable_now our.timer", "disable_now our.service", "daemon_reload"]
    assert systemd.calls == [*ended, "enable_now our.timer"]
    systemd.calls.clear()
    make(tmp_path, {}).apply()
    assert systemd.calls == ended


def test_what_a_check_warns_of_is_said(tmp_path, save, monkeypatch):
    said = []
    monkeypatch.setattr(commands, "warn", said.append)
    lines = ["nginx: [warn] low address", "2026/11/29 16:16:08 [warn] 31#31: conflicting server name", "nginx: fine"]
    check = ["printf", "%s\\n", *lines]
    make(tmp_path, {"a": b"1"}, check=check).apply()
    assert said == ["nginx warns: low address", "nginx warns: conflicting server name"]


def test_a_failed_check_puts_everything_back_and_says_why(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1", "b": b"2"}).apply()
    bad = make(tmp_path, {"a": b"changed", "new": b"3"}, check=["sh", "-c", "echo line 7 is wrong; exit 1"])
    with pytest.raises(Refusal, match="line 7 is wrong"):
        bad.apply()
    assert read(tmp_path) == {"a": b"1", "b": b"2"}
    assert Record.load("set", str(tmp_path / "state")).owned == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert systemd.calls == []


def test_systemd_reads_a_unit_that_was_put_back(tmp_path, systemd, save, monkeypatch):
    monkeypatch.setattr(module, "UNITS", str(tmp_path / "units"))
    (tmp_path / "units").mkdir()
    make(tmp_path, {"units/shop": b"1"}, service="shop").apply()
    systemd.calls.clear()
    systemd.broken = True
    with pytest.raises(Refusal, match="does not start"):
        make(tmp_path, {"units/shop": b"2"}, service="shop").apply()
    assert (tmp_path / "units/shop").read_bytes() == b"1"
    assert systemd.calls == ["daemon_reload", "reload", "daemon_reload", "try_reload"]


def test_a_service_that_does_not_start_gets_its_old_files_back(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1"}, service="nginx").apply()
    systemd.broken = True
    with pytest.raises(Refusal, match="does not start"):
        make(tmp_path, {"a": b"2"}, service="nginx").apply()
    assert read(tmp_path) == {"a": b"1"}
    assert systemd.calls[-1] == "try_reload"


def test_instances_reload_and_are_outdated_only_by_their_unit(tmp_path, systemd, save, monkeypatch):
    options = {"service": "uwsgi-emperor.target", "instances": "uwsgi-emperor@*.service"}
    monkeypatch.setattr(module, "UNITS", str(tmp_path / "units"))
    (tmp_path / "units").mkdir()
    make(tmp_path, {"emperor.ini": b"1", "units/shop": b"1"}, **options).apply()
    systemd.calls.clear()
    change = make(tmp_path, {"emperor.ini": b"2", "units/shop": b"1"}, **options)
    assert not change.outdates
    change.apply()
    assert systemd.calls == ["try_reload"]
    systemd.calls.clear()
    change = make(tmp_path, {"emperor.ini": b"2", "units/shop": b"2"}, **options)
    assert change.outdates
    change.apply()
    assert systemd.calls == ["daemon_reload", "mark uwsgi-emperor@*.service"]


def test_a_part_of_another_unit_is_loaded_and_restarts_nothing(tmp_path, systemd, save, monkeypatch):
    """As that of logrotate's timer, when it comes and when it changes."""
    options = {"service": "uwsgi-emperor.target", "instances": "uwsgi-emperor@*.service"}
    monkeypatch.setattr(module, "UNITS", str(tmp_path / "units"))
    (tmp_path / "units").mkdir()
    for content in (b"1", b"2"):
        part = File(str(tmp_path / "units/part"), content, ME, reload=False)
        change = Transaction(Record.load("set", str(tmp_path / "state")), [part], **options)
        assert not change.outdates
        change.apply()
        assert systemd.calls == ["daemon_reload"]
        systemd.calls.clear()


def test_a_run_that_died_before_the_reload_is_finished_by_the_next(tmp_path, systemd, save, monkeypatch):
    dying = make(tmp_path, {"a": b"1"}, service="nginx")
    monkeypatch.setattr(Transaction, "_serve", lambda self: os._exit(9))
    pid = os.fork()
    if pid == 0:
        dying.apply()
    os.waitpid(pid, 0)
    monkeypatch.undo()
    monkeypatch.setattr(module, "systemd", systemd)
    monkeypatch.setattr(module, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    assert read(tmp_path) == {"a": b"1"}
    second = make(tmp_path, {"a": b"1"}, service="nginx")
    assert second.changed
    second.apply()
    assert systemd.calls == ["reload"]
    assert not make(tmp_path, {"a": b"1"}, service="nginx").changed


def test_a_broken_tree_is_refused_even_when_nothing_changes(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1"}).apply()
    with pytest.raises(Refusal):
        make(tmp_path, {"a": b"1"}, check=["false"]).apply()


def test_a_stopped_service_is_started(tmp_path, systemd, save):
    make(tmp_path, {"a": b"1"}, service="nginx").apply()
    systemd.ready = False
    stopped = make(tmp_path, {"a": b"1"}, service="nginx")
    assert stopped.changed
    stopped.apply()
    assert systemd.calls[-1] == "enable_now"


def test_what_is_put_aside_comes_back_as_it_was(tmp_path, systemd, save):
    distributions, missing = tmp_path / "debian.sources", tmp_path / "ubuntu.sources"
    distributions.write_bytes(b"URIs: http://deb.debian.org")
    before = os.stat(distributions)
    aside = [str(distributions), str(missing)]
    make(tmp_path, {"ours": b"1"}, aside=aside).apply()
    assert read(tmp_path) == {"ours": b"1", f"debian.sources{module.ASIDE}": b"URIs: http://deb.debian.org"}
    assert module.applied(str(tmp_path / "state")) == ["set"]
    assert not make(tmp_path, {"ours": b"1"}, aside=aside).changed
    back = make(tmp_path, {})
    assert [part["after"] for part in back.diff()] == ["", f"{distributions}\n"]
    back.apply()
    assert read(tmp_path) == {"debian.sources": b"URIs: http://deb.debian.org"}
    after = os.stat(distributions)
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    assert not make(tmp_path, {}).changed
    assert module.applied(str(tmp_path / "state")) == []


def test_a_file_that_came_into_the_place_of_one_put_aside_is_the_one_that_stays(tmp_path, systemd, save):
    place = tmp_path / "debian.sources"
    place.write_bytes(b"old")
    make(tmp_path, {}, aside=[str(place)]).apply()
    place.write_bytes(b"new, of an upgraded package")
    make(tmp_path, {}).apply()
    assert read(tmp_path) == {"debian.sources": b"new, of an upgraded package"}


class Disk:
    """Counts what is asked of the file system; from the call ``point`` on (or at it alone) something goes wrong."""

    NEED_SPACE = ("open", "fsync", "mkdir", "link", "symlink")
    CALLS = (*NEED_SPACE, "rename", "unlink", "chown", "chmod")

    def __init__(self, patch, point, trouble):
        self.count, self.point, self.trouble = 0, point, trouble
        for name in self.CALLS:
            patch.setattr(os, name, self._troubled(name, getattr(os, name)))

    def _troubled(self, name, real):
        def call(*arguments, **options):
            number, self.count = self.count, self.count + 1
            if number == self.point and self.trouble == "killed":
                os._exit(9)
            once = number == self.point and self.trouble == "error"
            full = number >= self.point and self.trouble == "full" and name in self.NEED_SPACE
            if once or full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*arguments, **options)

        return call


@dataclass
class State:
    """The files of a set, and whether the stranger's is put aside."""

    files: dict
    hidden: bool

    def make(self, tmp_path, **options):
        """A transaction that asks for this."""
        aside = [str(tmp_path / "stranger")] if self.hidden else []
        return make(tmp_path, self.files, aside=aside, service="nginx", **options)


STATES = st.builds(
    State, st.dictionaries(st.sampled_from("abcdef"), st.binary(max_size=8), max_size=6), hidden=st.booleans()
)
POINTS = st.integers(0, 80)  # a change of six files makes fewer calls


@pytest.fixture
def a_set(tmp_path_factory, systemd, save):
    """Makes a folder in which a set and a stranger have their files; hypothesis calls it for each example."""

    def a_set(before):
        tmp_path = tmp_path_factory.mktemp("set")
        (tmp_path / "stranger").write_bytes(b"mine")
        before.make(tmp_path).apply()
        systemd.calls.clear()
        return tmp_path

    return a_set


def found(tmp_path, *, torn=False):
    """What is there, with nothing left over beside it unless a change was torn; the stranger's file must be as it was."""
    files = read(tmp_path)
    names = [name for name in ("stranger", f"stranger{module.ASIDE}") if name in files]
    assert [files.pop(name) for name in names] == [b"mine"]
    return State({name: files[name] for name in files if not torn or "." not in name}, names != ["stranger"])


PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@PROPERTY
@given(before=STATES, after=STATES, point=POINTS, trouble=st.sampled_from(["error", "full"]))
def test_whatever_the_disk_refuses_the_folder_is_as_before_or_as_asked_for(
    a_set, systemd, before, after, point, trouble
):
    tmp_path = a_set(before)
    change = after.make(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, point, trouble)
        try:
            change.apply()
        except OSError:
            assert disk.count > point
            assert found(tmp_path, torn=True) in (before, after)
    finish(tmp_path, after, systemd)


@PROPERTY
@given(before=STATES, after=STATES, trouble=st.sampled_from(["check", "reload"]))
def test_whatever_is_refused_the_folder_and_the_record_are_as_before(a_set, systemd, before, after, trouble):
    tmp_path = a_set(before)
    record = Record.load("set", str(tmp_path / "state"))
    systemd.broken = trouble == "reload"
    change = after.make(tmp_path, check=["false"] if trouble == "check" else [])
    try:
        change.apply()
    except Refusal:
        assert found(tmp_path) == before
        assert Record.load("set", str(tmp_path / "state")) == record
    else:
        assert before == after
    finally:
        systemd.broken = False
    finish(tmp_path, after, systemd)


@PROPERTY
@given(before=STATES, after=STATES, point=POINTS)
def test_wherever_a_run_is_killed_no_file_is_torn_and_the_next_run_finishes_it(a_set, systemd, before, after, point):
    tmp_path = a_set(before)
    change = after.make(tmp_path)
    pid = os.fork()
    if pid == 0:
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, point, "killed")
            change.apply()
            os._exit(0)
    os.waitpid(pid, 0)
    files = found(tmp_path, torn=True).files
    torn = {name for name in files if files[name] not in (before.files.get(name), after.files.get(name))}
    assert not torn
    finish(tmp_path, after, systemd)


def finish(tmp_path, after, systemd):
    """The next run, undisturbed: as asked for, nothing left over, reloaded if it was not yet, and nothing to do after it."""
    systemd.calls.clear()
    unfinished = found(tmp_path) != after or Record.load("set", str(tmp_path / "state")).pending
    after.make(tmp_path).apply()
    assert found(tmp_path) == after
    assert systemd.calls == (["reload"] if unfinished else [])
    assert not after.make(tmp_path).changed


def test_a_link_in_the_place_of_a_file_is_put_back_as_a_link(tmp_path, systemd, save):
    (tmp_path / "a").symlink_to("elsewhere")
    with pytest.raises(Refusal):
        make(tmp_path, {"a": b"1"}, check=["false"]).apply()
    assert os.readlink(tmp_path / "a") == "elsewhere"
