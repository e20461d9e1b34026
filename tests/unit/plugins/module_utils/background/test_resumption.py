"""What brings old workers back: the real shell, with a systemctl that notes what it is asked."""

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import resumption, unit_files
from ansible_collections.emperor.flask.plugins.module_utils.host import systemd
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout

OLD = [r"emperor-worker-my\x2dshop-mail-a.1-1.service", r"emperor-worker-my\x2dshop-beat-a.1-1.service"]
NEW = [name.replace("a.1", "b.2") for name in OLD]


class Host:
    """A host on which the old workers were told to stop, and a process that has told them."""

    def __init__(self, root):
        self.root, self.layout = root, Layout("my-shop", str(root))
        self.wants = root / unit_files.WANTS
        for folder in (self.wants, root / "bin", Path(self.layout.home)):
            folder.mkdir(parents=True)
        for unit in [*OLD, *NEW]:
            (root / unit).touch()
        self.lead("a.1")
        for unit in NEW:
            (self.wants / unit).symlink_to(root / unit)
        (root / "bin/systemctl").write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{root}/asked\nexit 5\n')
        (root / "bin/systemctl").chmod(0o755)
        self.step = subprocess.Popen(["sleep", "100"])

    def lead(self, activation):
        """Let requests go to an activation."""
        link = Path(self.layout.socket)
        link.unlink(missing_ok=True)
        link.symlink_to(f"run/{activation}.sock")

    def arranged(self):
        """Start what is to bring them back."""
        script = resumption.script(self.layout, self.step.pid, OLD, NEW, NEW[1:])
        assert "$" not in script, "systemd would read it"
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.Popen(["/bin/sh", "-c", script], env=environment)

    def end(self, unit):
        """Let the process die, and what waits for that do its work."""
        self.step.kill()
        self.step.wait()
        return unit.wait(10)

    def asked(self):
        return (self.root / "asked").read_text().splitlines() if (self.root / "asked").exists() else []


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(unit_files, "FOLDER", str(tmp_path))
    host = Host(tmp_path)
    yield host
    host.step.kill()
    host.step.wait()


def test_old_workers_start_again_and_with_the_host_in_the_place_of_new_ones(host):
    unit = host.arranged()
    with pytest.raises(subprocess.TimeoutExpired):
        unit.wait(0.3)
    assert host.end(unit) == 5 and host.asked() == [
        f"stop --no-block {' '.join(NEW)}",
        f"stop {NEW[1]}",
        f"start --no-block {' '.join(OLD)}",
    ]
    assert {link.name: os.readlink(link) for link in host.wants.iterdir()} == {
        unit: f"{host.root}/{unit}" for unit in OLD
    }


def test_after_a_switch_they_do_not(host):
    unit = host.arranged()
    host.lead("b.2")
    assert host.end(unit) == 0 and host.asked() == []
    assert {link.name for link in host.wants.iterdir()} == set(NEW)


def test_it_takes_the_place_of_the_one_before_and_where_there_is_nothing_to_bring_back_there_is_none(host, monkeypatch):
    asked = []
    monkeypatch.setattr(resumption, "succeeds", lambda argv: asked.append(argv[1:]))
    monkeypatch.setattr(
        systemd, "start_beside", lambda unit, argv: asked.append((unit, argv[:2], str(os.getpid()) in argv[2]))
    )
    resumption.arrange(host.layout, [], NEW, [])
    resumption.arrange(host.layout, OLD, NEW, [])
    name = r"emperor-resume-my\x2dshop-workers"
    stopped = ["stop", f"{name}.service"]
    assert asked == [stopped, stopped, (name, ["/bin/sh", "-c"], True)]
    resumption.withdraw(Layout("other", str(host.root)))
    assert asked[3:] == [], "an app without workers asks systemd nothing"
