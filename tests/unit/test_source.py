"""Which files of a source are shipped, what identifies them, and which requirements identify a virtual environment."""

import os
import subprocess
import tarfile

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils import requirements
from ansible_collections.emperor.flask.plugins.plugin_utils.source import Source


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text("app = 1\n")
    (tmp_path / "src").mkdir()
    (tmp_path / "src/module.py").write_text("x = 1\n")
    return tmp_path


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@x.test", *arguments],
        check=True,
        capture_output=True,
    )


def test_caches_and_virtual_environments_stay_behind(folder):
    for name in ("__pycache__/app.pyc", "env/pyvenv.cfg", "env/bin/python"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert Source.read(folder).files == ("app.py", "src/module.py")


def test_what_git_ignores_stays_behind_and_what_is_not_added_yet_comes_along(folder):
    git(folder, "init", "--quiet")
    (folder / ".gitignore").write_text("*.secret\n")
    (folder / "key.secret").write_text("s3cret")
    git(folder, "add", "app.py")
    assert Source.read(folder).files == (".gitignore", "app.py", "src/module.py")
    (folder / "app.py").unlink()
    assert "app.py" not in Source.read(folder).files


def test_a_git_that_refuses_is_an_error_and_not_a_reason_to_ship_everything(folder):
    (folder / ".git").write_text("gitdir: nowhere\n")
    with pytest.raises(Refusal, match="git cannot list"):
        Source.read(folder)


def test_the_digest_is_of_names_contents_and_executable_bits_alone(folder):
    first = Source.read(folder).digest()
    os.utime(folder / "app.py", (1, 1))
    (folder / "app.py").chmod(0o600)
    assert Source.read(folder).digest() == first
    (folder / "app.py").chmod(0o755)
    executable = Source.read(folder).digest()
    (folder / "app.py").rename(folder / "app2.py")
    renamed = Source.read(folder).digest()
    (folder / "app2.py").write_text("app = 2\n")
    assert len({first, executable, renamed, Source.read(folder).digest()}) == 4


def test_the_archive_has_the_files_with_their_times(folder):
    os.utime(folder / "app.py", (1000, 1000))
    archive = folder / "code.tar.gz"
    Source.read(folder).archive(archive)
    with tarfile.open(archive) as tar:
        assert {member.name: member.mtime for member in tar}["app.py"] == 1000
        assert sorted(tar.getnames()) == ["app.py", "src/module.py"]


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
def test_a_link_that_leads_out_is_refused(folder, target):
    (folder / "link").symlink_to(target)
    with pytest.raises(Refusal, match="leads out of the source"):
        Source.read(folder)


def test_a_link_within_is_shipped_as_a_link(folder):
    (folder / "link.py").symlink_to("app.py")
    (folder / "folder").symlink_to("src")
    assert Source.read(folder).files == ("app.py", "folder", "link.py", "src/module.py")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no files to ship"):
        Source.read(tmp_path)


def digest(folder, python="3.13", code="c", files=("requirements.txt",)):
    return requirements.digest(folder, list(files), python, code)


def test_a_virtual_environment_is_identified_by_python_and_every_file_that_counts(folder):
    (folder / "requirements.txt").write_text("-r base.txt\n--constraint=pins.txt\nflask\n")
    (folder / "base.txt").write_text("sqlalchemy\n")
    (folder / "pins.txt").write_text("flask==3.1.3\n")
    first = digest(folder)
    assert digest(folder, code="other") == first
    others = {digest(folder, python="3.14")}
    (folder / "base.txt").write_text("sqlalchemy==2\n")
    others.add(digest(folder))
    (folder / "pins.txt").write_text("flask==3.1.2\n")
    others.add(digest(folder))
    assert len(others | {first}) == 4


@pytest.mark.parametrize(
    "line", [".", "-e .", "./vendored", "--editable=./x", "file:./x.whl", "x @ file:///x", ".[extra]"]
)
def test_a_requirement_that_is_part_of_the_code_depends_on_the_code(folder, line):
    (folder / "requirements.txt").write_text(f"flask\n{line}\n")
    assert digest(folder, code="one") != digest(folder, code="two")


def test_files_that_include_each_other_end(folder):
    (folder / "requirements.txt").write_text("-r requirements.txt\n")
    assert digest(folder)


def test_requirements_txt_is_found_and_an_app_may_say_otherwise(folder):
    assert requirements.found(folder, None) == []
    (folder / "requirements.txt").write_text("")
    assert requirements.found(folder, None) == ["requirements.txt"]
    assert requirements.found(folder, []) == []
