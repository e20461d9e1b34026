"""What is read off a host, and who listens where nginx is to."""

import getpass
import grp
import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.host.files import SOCKET, give_sockets
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import host_abilities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', ("Ubuntu", "24.04", "noble")),
        ('PRETTY_NAME="Debian"\nID=debian\nVERSION_ID="13"\nVERSION_CODENAME=trixie\n', ("Debian", "13", "trixie")),
        ("ID=debian\nVERSION_CODENAME=forky\n", ("Debian", "testing", "forky")),
    ],
)
def test_the_system_is_what_os_release_says_and_is_supported(tmp_path, text, expected):
    (tmp_path / "os-release").write_text(text)
    found = host_facts.system(str(tmp_path / "os-release"))
    assert tuple(found.values()) == expected
    assert found["version"] in host_abilities.SUPPORTED[found["distribution"]]


def test_an_interpreters_version_or_nothing():
    assert host_facts.python_version(sys.executable) == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert host_facts.python_version("/nowhere/python") is None


def test_an_interpreter_in_a_home_or_in_a_private_folder_is_behind_it(tmp_path):
    venv = tmp_path / "home/alice/venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    private = next(path for path in reversed(venv.parents) if path == tmp_path or not path.stat().st_mode & 0o001)
    private.chmod(0o700)
    assert host_facts.python_behind("/usr/bin/python3") is None
    assert host_facts.python_behind(str(venv / "bin/python"), homes=()) == str(private)
    assert host_facts.python_behind("/usr/bin/python3", homes=("/usr",)) == "/usr"


def test_nginxs_group_follows_its_configuration(tmp_path):
    conf = tmp_path / "nginx.conf"
    assert host_facts.nginx_group(str(conf)) is None
    conf.write_text("user somebody web;\n")
    assert host_facts.nginx_group(str(conf)) == "web"
    conf.write_text(f"# user nobody;\nuser  {getpass.getuser()};\n")
    assert host_facts.nginx_group(str(conf)) == grp.getgrgid(os.getgid()).gr_name
    conf.write_text("user no-such-account;\n")
    assert host_facts.nginx_group(str(conf)) is None


def test_the_uwsgi_of_a_python_is_of_the_emperors_version(tmp_path):
    assert host_facts.uwsgi_binary("3.13", str(tmp_path)) is None
    os.symlink("pyuwsgi-2.0.31-python3.11", tmp_path / "current")
    assert host_facts.uwsgi_binary("3.13", str(tmp_path)) is None
    binary = tmp_path / "pyuwsgi-2.0.31-python3.13/bin/uwsgi"
    binary.parent.mkdir(parents=True)
    binary.touch(0o755)
    assert host_facts.uwsgi_binary("3.13", str(tmp_path)) == str(binary)


def test_the_program_that_holds_a_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(process {os.getpid()})" in host_facts.listener(port)
    assert host_facts.listener(port) is None


@pytest.mark.parametrize("holder", [None, "nginx (process 7)"])
def test_nginx_may_hold_its_ports(holder):
    assert list(host_abilities.port_refusals({"port_80": holder, "port_443": holder}, tls=True)) == []


@pytest.mark.parametrize(("port", "tls"), [(80, False), (80, True), (443, True)])
def test_another_program_on_a_port_of_nginxs_is_refused_by_name(port, tls):
    found = {"port_80": None, "port_443": None, f"port_{port}": "apache2 (process 42)"}
    (sentence,) = host_abilities.port_refusals(found, tls)
    assert f"port {port} is held by apache2 (process 42)" in sentence


def test_port_443_is_anybodys_where_no_app_is_served_over_tls():
    assert list(host_abilities.port_refusals({"port_80": None, "port_443": "apache2 (process 42)"})) == []


@pytest.mark.parametrize(
    ("serves", "sets", "expected"),
    [(True, [], True), (False, ["nginx"], False), (False, ["certificates"], True)],
    ids=["an app is", "none ever was", "a release was"],
)
def test_port_443_is_nginxs_where_an_app_is_or_was_served_over_tls(serves, sets, expected):
    assert host_abilities.listens_for_tls({"sets": sets}, serves) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_sockets_follow_nginx_and_nothing_else_does(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "ab.2.sock").mkdir()
    (tmp_path / "ab.3.sock").symlink_to(tmp_path / "file")
    for name in ("ab.1.sock", "other.sock"):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(tmp_path / name))

    def given():
        """The names of what is nginx's now."""
        give_sockets(str(tmp_path), "www-data")
        return {path.name for path in tmp_path.iterdir() if path.lstat().st_gid != 0}

    assert given() == {"ab.1.sock"}
    os.chown(tmp_path / "ab.1.sock", -1, 0)
    os.chown(tmp_path, -1, grp.getgrnam("www-data").gr_gid)
    assert given() == set(), "a folder that has nginx's group gives it to what is made there"


def test_sockets_are_named_as_activations_are():
    for name in ("0123456789ab.1.sock", f"{'a' * 64}.999999999.sock"):
        assert SOCKET.fullmatch(name) and Activation.parse(name)
    for name in (
        "ab.01.sock",
        f"ab.{'9' * 10}.sock",
        "ab.1.sock\n",
        "ab.\u0661.sock",
        f"{'a' * 65}.1.sock",
        "ab.1.sock.sock",
    ):
        assert not SOCKET.fullmatch(name) and not Activation.parse(name)


def test_the_apps_that_certbot_renews_for_are_known_by_their_lineages(tmp_path):
    assert host_facts.lineages(str(tmp_path / "renewal")) == []
    for name in ("emperor-shop.conf", "emperor-my-shop_2.conf", "mail.example.com.conf", "emperor-shop.conf.bak"):
        (tmp_path / name).touch()
    assert host_facts.lineages(str(tmp_path)) == ["my-shop_2", "shop"]


def test_a_services_open_files_are_the_kernels_where_systemd_may_raise_limits_else_its_own(tmp_path):
    for folder in ("1", "sys/fs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sys/fs/nr_open").write_text("1048576\n")
    (tmp_path / "1/limits").write_text("Max processes  10  20  processes\nMax open files  1024  4096  files\n")
    (tmp_path / "1/status").write_text("Name:\tsystemd\nCapEff:\t000001ffffffffff\n")
    assert host_facts.open_files(str(tmp_path)) == 1048576
    (tmp_path / "1/status").write_text("Name:\tsystemd\nCapEff:\t00000000a82425fb\n")
    assert host_facts.open_files(str(tmp_path)) == 4096
