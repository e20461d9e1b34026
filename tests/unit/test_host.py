"""What is read off a host."""

import getpass
import grp
import os
import sys

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import host


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', ("Ubuntu", "24.04", "noble")),
        ('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n', ("Debian", "13", "trixie")),
        ("ID=debian\nVERSION_CODENAME=forky\n", ("Debian", "", "forky")),
    ],
)
def test_the_system_is_what_os_release_says(tmp_path, text, expected):
    (tmp_path / "os-release").write_text(text)
    assert tuple(host.system(str(tmp_path / "os-release")).values()) == expected


def test_an_interpreters_version_or_nothing():
    assert host.python_version(sys.executable) == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert host.python_version("/nowhere/python") is None


def test_nginxs_group_follows_its_configuration(tmp_path):
    conf = tmp_path / "nginx.conf"
    assert host.nginx_group(str(conf)) is None
    conf.write_text("user somebody web;\n")
    assert host.nginx_group(str(conf)) == "web"
    conf.write_text(f"# user nobody;\nuser  {getpass.getuser()};\n")
    assert host.nginx_group(str(conf)) == grp.getgrgid(os.getgid()).gr_name
    conf.write_text("user no-such-account;\n")
    assert host.nginx_group(str(conf)) is None


def test_the_uwsgi_of_a_python_is_of_the_emperors_version(tmp_path):
    assert host.uwsgi_binary("3.13", str(tmp_path)) is None
    os.symlink("2.0.31-python3.11", tmp_path / "current")
    assert host.uwsgi_binary("3.13", str(tmp_path)) is None
    binary = tmp_path / "2.0.31-python3.13/bin/uwsgi"
    binary.parent.mkdir(parents=True)
    binary.touch(0o755)
    assert host.uwsgi_binary("3.13", str(tmp_path)) == str(binary)
