"""Which of pip's failures are an index that does not answer, in the words of Debian 12's and 13's pip."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import pip
from ansible_collections.emperor.flask.plugins.module_utils.commands import CommandFailed, Refusal

REFUSED = """Looking in indexes: https://pypi.example.com/simple
WARNING: Retrying (Retry(total=0, connect=None)) after connection broken by 'NewConnectionError('<X>: [Errno 111] Connection refused')': /simple/flask/
ERROR: No matching distribution found for flask"""
UNKNOWN = "Looking in indexes: https://pypi.example.com/simple\nERROR: No matching distribution found for flaskk"


def failing(monkeypatch, output):
    def run(argv, **_options):
        raise CommandFailed(argv, 1, output)

    monkeypatch.setattr(pip, "run", run)


def test_an_index_that_does_not_answer_is_named_with_the_time_it_was_waited_for(monkeypatch, tmp_path):
    failing(monkeypatch, REFUSED)
    said = r"https://pypi\.example\.com/simple did not answer within 0 seconds: .*Connection refused"
    with pytest.raises(Refusal, match=said):
        pip.pip("python3", "install", "flask", folder=str(tmp_path))


def test_a_package_that_does_not_exist_is_no_silent_index(monkeypatch, tmp_path):
    failing(monkeypatch, UNKNOWN)
    with pytest.raises(CommandFailed):
        pip.pip("python3", "install", "flaskk", folder=str(tmp_path))


def test_credentials_are_lent_as_a_file_and_taken_back(monkeypatch, tmp_path):
    seen = {}
    (tmp_path / "netrc").write_text("machine pypi.example.com login me password secret\n")
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(pip, "FOLDER", str(tmp_path))
    monkeypatch.setattr(pip.Access, "apply", lambda self, path: seen.update(mode=self.mode, owner=self.owner))

    def run(argv, env, **_options):
        with open(env["NETRC"], encoding="utf-8") as netrc:
            seen.update(argv=argv, netrc=netrc.read())
        return ""

    monkeypatch.setattr(pip, "run", run)
    pip.pip("python3", "install", "flask", folder=str(tmp_path / "venv"), user="shop")
    assert (seen["mode"], seen["owner"]) == (0o400, "shop")
    assert "secret" in seen["netrc"]
    assert "secret" not in str(seen["argv"])
    assert list((tmp_path / "venv").iterdir()) == []


def test_where_a_disk_is_full_it_is_said_how_much_is_left(tmp_path):
    assert pip.reason("no such package", str(tmp_path)) == "no such package"
    said = pip.reason("ERROR: OSError: [Errno 28] No space left on device", str(tmp_path))
    assert f" MB in {tmp_path} and " in said
    assert "MB in /var/tmp left; make room" in said


def test_the_proxy_is_told_by_the_environment(monkeypatch, tmp_path):
    (tmp_path / "proxy").write_text("http_proxy=http://me:p=1@proxy\nhttps_proxy=http://me:p=1@proxy\nno_proxy=a,b\n")
    monkeypatch.setattr(pip, "FOLDER", str(tmp_path))
    seen = {}
    monkeypatch.setattr(pip, "run", lambda argv, env, **_options: seen.update(env))
    pip.pip("python3", "install", "flask", folder=str(tmp_path))
    assert (seen["http_proxy"], seen["https_proxy"]) == ("http://me:p=1@proxy",) * 2
    assert seen["no_proxy"] == "a,b"
