"""Which of pip's failures are an index that does not answer, in the words of Debian 12's and 13's pip."""

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.python import pip

REFUSED = """Looking in indexes: https://pypi.example.com/simple
WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<X>: [Errno 111] Connection refused')': /simple/flask/
ERROR: No matching distribution found for flask"""
UNKNOWN = "Looking in indexes: https://pypi.example.com/simple\nERROR: No matching distribution found for flaskk"


def failing(output):
    """A runner whose pip fails."""

    def runner(argv):
        raise CommandFailed(argv, 1, output)

    return runner


def test_an_index_that_does_not_answer_is_named_with_the_time_it_was_waited_for():
    said = r"https://pypi\.example\.com/simple did not answer within 0 seconds: .*Connection refused"
    with pytest.raises(Refusal, match=said):
        pip.pip("python3", "install", "flask", runner=failing(REFUSED))


def test_a_package_that_does_not_exist_is_no_silent_index():
    with pytest.raises(CommandFailed):
        pip.pip("python3", "install", "flaskk", runner=failing(UNKNOWN))


@pytest.fixture
def settings(monkeypatch, tmp_path):
    """The host's settings for pip: credentials and a proxy with an awkward password."""
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "netrc").write_text("machine pypi.example.com login me password secret\n")
    (folder / "proxy").write_text('http_proxy=http://me:p=1"$x\\`@proxy\nno_proxy=a,b\n')
    monkeypatch.setattr(pip, "FOLDER", str(folder))
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-the-play.example.com")
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_TARGET", "/root")
    return folder


def test_a_build_is_lent_files_that_it_can_only_read_and_loses_them(monkeypatch, tmp_path, settings):
    seen = {}
    monkeypatch.setattr(pip.Access, "apply", lambda self, path: seen.update({Path(path).name: (self.mode, self.owner)}))
    with pip.lent(str(tmp_path), "_shop", {"made.txt": "flask\n"}, {"PIP_RETRIES": "7"}) as lent:
        environment, bound, room = (value.partition("=")[2] for value in lent)
        folder, place = bound.split(":")
        assert (place, lent[1].partition("=")[0]) == (pip.LENT, "BindReadOnlyPaths")
        assert (Path(folder) / "made.txt").read_text() == "flask\n"
        assert "secret" in (Path(folder) / "netrc").read_text()
        assert seen["netrc.emperor-new"] == (0o400, "_shop")
        assert seen["environment.emperor-new"] == (0o600, "root")
        lines = Path(environment).read_text().splitlines()
        assert f'NETRC="{pip.LENT}/netrc"' in lines
        assert 'http_proxy="http://me:p=1\\"\\$x\\\\\\`@proxy"' in lines
        assert 'PIP_RETRIES="7"' in lines
        assert 'PIP_INDEX_URL="https://of-the-play.example.com"' in lines
        assert {f'TMPDIR="{pip.TEMPORARY}"', 'PIP_USER="0"'} <= {*lines} and not any(
            "PIP_TARGET" in line for line in lines
        )
        assert room == f"{tmp_path}/tmp:{pip.TEMPORARY}" and seen["tmp"] == (0o700, "_shop")
        assert not any("secret" in setting or "p=1" in setting for setting in lent)
    assert not Path(folder).exists() and not (tmp_path / "tmp").exists()


def test_a_pip_of_roots_reads_the_hosts_settings(settings):
    told = pip.own("/folder")
    assert (told["NETRC"], told["HOME"]) == (str(settings / "netrc"), "/folder")
    assert told["http_proxy"] == 'http://me:p=1"$x\\`@proxy'
    assert told["no_proxy"] == "a,b"


def test_where_a_disk_is_full_it_is_said_how_much_is_left(tmp_path):
    assert pip.reason("no such package", str(tmp_path)) == "no such package"
    said = pip.reason("ERROR: OSError: [Errno 28] No space left on device", str(tmp_path))
    assert f" MB left in {tmp_path}; make room" in said
