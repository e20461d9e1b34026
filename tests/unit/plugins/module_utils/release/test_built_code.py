"""Code as it is served: what survives releases is linked into it, and build hooks write into it while they may."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.release import built_code
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import Release
from unboxed import unbox

HOOKS = {"build": [], "before_switch": [], "after_switch": []}
MANIFEST = {"shared": [], "hooks": HOOKS, "module": "shop:app", "pythonpath": []}
RELEASE = Release("0123456789ab", "50ce", "b117", "5e5e", {}, "", "", "", MANIFEST)


@pytest.fixture
def layout(tmp_path, monkeypatch):
    unbox(monkeypatch, tmp_path)
    layout = Layout("shop", str(tmp_path))
    for folder in (layout.bench, layout.code("50ce/instance"), layout.shared, layout.venv("5e5e/bin")):
        Path(folder).mkdir(parents=True)
    Path(layout.code("50ce/shop.py")).write_text("app = 1\n")
    Path(layout.code("50ce/instance/settings.cfg")).write_text("first\n")
    return layout


def built(layout, shared=(), hooks=()):
    """Build the code and return its folder."""
    manifest = {**MANIFEST, "shared": list(shared), "hooks": {**HOOKS, "build": list(hooks)}}
    built_code.build_code(layout, dataclasses.replace(RELEASE, manifest=manifest), sys.executable)
    return Path(layout.code("b117"))


def test_shared_paths_are_links_and_begin_with_what_the_source_has(layout):
    code = built(layout, shared=["instance", "var/uploads", "shop.db"])
    for path in ("instance", "var/uploads", "shop.db"):
        assert os.readlink(code / path) == f"{layout.shared}/{path}"
    assert (code / "instance/settings.cfg").read_text() == "first\n"
    assert os.listdir(Path(layout.shared, "var/uploads")) == []


def test_what_is_shared_already_is_left_alone(layout):
    Path(layout.shared, "instance").mkdir()
    Path(layout.shared, "instance/settings.cfg").write_text("of an earlier release\n")
    assert (built(layout, shared=["instance"]) / "instance/settings.cfg").read_text() == "of an earlier release\n"


def test_build_hooks_write_into_the_code_and_find_the_app_and_its_packages(layout):
    tool = Path(layout.venv("5e5e/bin/digest"))
    tool.write_text("#!/bin/sh\necho $FLASK_APP > digest.txt\n")
    tool.chmod(0o755)
    code = built(layout, hooks=["digest", "echo two >> digest.txt"])
    assert (code / "digest.txt").read_text() == "shop:app\ntwo\n"
    assert not Path(layout.code("50ce/digest.txt")).exists()


def test_build_hooks_are_told_what_the_inventory_says_to_builds(layout):
    told = {"environment": {"NODE_ENV": "production $HOME"}}
    manifest = {**MANIFEST, "hooks": {**HOOKS, "build": ["printenv NODE_ENV > told.txt"]}}
    built_code.build_code(layout, dataclasses.replace(RELEASE, manifest=manifest, packages=told), sys.executable)
    assert Path(layout.code("b117/told.txt")).read_text() == "production $HOME\n"


def test_a_build_hook_that_fails_leaves_nothing_and_shows_its_output(layout):
    with pytest.raises(Refusal, match=r"(?s)the build hook 'echo oh no; exit 3' ended with 3.*oh no"):
        built(layout, hooks=["echo oh no; exit 3"])
    assert os.listdir(layout.codes) == ["50ce"]


def test_it_is_built_once(layout):
    code = built(layout)
    (code / "mark").touch()
    assert (built(layout) / "mark").exists()


@pytest.mark.parametrize("made", ["{away}", "nowhere", "instance"])
def test_a_link_on_the_way_to_a_shared_path_is_refused(layout, tmp_path, made):
    """Root would remove and link where it leads."""
    away = tmp_path / "away"
    (away / "uploads").mkdir(parents=True)
    hook = f"ln -s {made.format(away=away)} static"
    with pytest.raises(
        Refusal, match="shared has 'static/uploads', but the source or a build hook has made 'static' a link"
    ):
        built(layout, shared=["static/uploads"], hooks=[hook])
    assert (away / "uploads").is_dir()
    assert os.listdir(layout.codes) == ["50ce"]


@pytest.mark.parametrize(
    ("error", "key", "said"),
    [
        (jobs.TimedOut([], 1, "half of it"), "shared", "it was not done within 600 seconds; raise timeouts.hook\nhalf of it"),
        (jobs.Killed([], 137, "Killed"), "shared", f"Killed\n{jobs.KILLED}"),
        (CommandFailed([], 1, "cp: no space left on device"), "shared", "cp: no space left on device"),
        (jobs.TimedOut([], 1, ""), "code", "it was not done within 1800 seconds; raise timeouts.build"),
        (jobs.Killed([], 137, ""), "code", jobs.KILLED),
    ],
)  # fmt: skip
def test_a_job_that_fails_says_what_could_not_be_made_and_the_remedy(layout, monkeypatch, error, key, said):
    run_job = jobs.run_job

    def run(job, command, given=None):
        if ("share" in command) is (key == "shared"):
            raise error
        return run_job(job, command, given)

    monkeypatch.setattr(jobs, "run_job", run)
    what = {
        "shared": f"the shared path 'instance' cannot be made {layout.shared}/instance",
        "code": f"the code cannot be copied to {layout.code('b117')}",
    }
    with pytest.raises(Refusal) as refusal:
        built(layout, shared=["instance"])
    assert str(refusal.value) == f"{what[key]}: {said}"
    assert os.listdir(layout.codes) == ["50ce"]
