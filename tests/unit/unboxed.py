"""Jobs without a box, for tests that are not root: the commands run for real, what the box would bind elsewhere is found where it is."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.host import box, commands, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from render import ROLES


def unbox(monkeypatch, tmp_path: Path) -> None:
    """Let jobs run as the user of the tests, who owns everything."""
    program = tmp_path / "app-environment"
    program.write_text((ROLES / "uwsgi_emperor/files/app-environment.sh").read_text())
    program.chmod(0o755)
    monkeypatch.setattr(box, "PROGRAM", str(program))
    monkeypatch.setattr(jobs, "run_job", run_job)
    monkeypatch.setattr(jobs, "require_box", lambda app: None)
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    monkeypatch.setattr(os, "chown", lambda *arguments, **options: None)


def run_job(job: box.Job, command: list[str], given: str | None = None) -> str:
    """Run a job's command where its folders really are."""
    stated = [setting.partition("=")[::2] for setting in job.settings]
    binds = {
        target or source: source
        for name, value in stated
        if name.startswith("Bind")
        for source, _, target in [value.partition(":")]
    }
    environment = dict(value.split("=", 1) for name, value in stated if name == "Environment")

    def found(text: str) -> str:
        for target in sorted(binds, key=len, reverse=True):
            text = text.replace(target, binds[target])
        return text

    path = {"PATH": os.environ["PATH"]}
    return commands.run(
        [found(part) for part in command], cwd=found(job.folder), env={**path, **environment}, given=given
    )
