"""Owners and modes of DESIGN.md's table, and the names the tutorial gave."""

import pytest

TABLE = [
    ("/var/www/demoapp", "root:root 751"),
    ("/var/www/demoapp/code", "root:demoapp 750"),
    ("/var/www/demoapp/venvs", "root:demoapp 750"),
    ("/var/www/demoapp/releases", "root:demoapp 750"),
    ("/var/www/demoapp/current/", "root:demoapp 750"),
    ("/var/www/demoapp/current/code/hello.py", "root:root 644"),
    ("/var/www/demoapp/current/venv/bin/flask", "root:root 755"),
    ("/var/www/demoapp/current/env", "root:demoapp 640"),
    ("/var/www/demoapp/current/manifest.json", "root:root 600"),
    ("/var/www/demoapp/secrets", "root:demoapp 750"),
    ("/var/www/demoapp/shared", "demoapp:demoapp 750"),
    ("/var/www/demoapp/run", "demoapp:www-data 2750"),
    ("/var/www/demoapp/demoapp_uwsgi.sock", "demoapp:www-data 660"),
    ("/etc/uwsgi/vassals/demoapp", "root:demoapp 750"),
    ("/var/log/uwsgi/demoapp", "root:adm 751"),
    ("/var/log/uwsgi/demoapp/demoapp_uwsgi.log", "demoapp:adm 640"),
]


@pytest.mark.parametrize(("path", "expected"), TABLE, ids=[path for path, _ in TABLE])
def test_owner_group_and_mode(host, path, expected):
    assert host.check_output(f"stat --dereference --format '%U:%G %a' {path}") == expected


def test_secrets_and_inis_are_for_root_and_the_app(host):
    for folder in ("/var/www/demoapp/secrets", "/etc/uwsgi/vassals/demoapp"):
        found = host.check_output(f"find {folder} -type f -printf '%u:%g %m\\n'")
        assert found == "root:demoapp 640", found


def test_nothing_in_a_store_can_be_written_by_others_than_root(host):
    writable = "find /var/www/demoapp/code /var/www/demoapp/venvs -not -type l ( -perm /022 -or -not -user root )"
    folders = {"/var/www/demoapp/code", "/var/www/demoapp/venvs"}
    assert set(host.check_output(writable.replace("(", "\\(").replace(")", "\\)")).split()) <= folders


def test_the_tutorials_names_lead_to_the_live_release(host):
    release = host.check_output("readlink /var/www/demoapp/current")
    assert release.startswith("releases/")
    assert host.check_output("readlink /var/www/demoapp/demoapp_nginx.conf") == "current/nginx.conf"
    assert host.check_output("readlink /var/www/demoapp/demoapp_uwsgi.ini") == "current/uwsgi.ini"
    (site,) = host.check_output("ls /etc/nginx/conf.d | grep demoapp").split()
    assert host.check_output(f"readlink /etc/nginx/conf.d/{site}") == "/var/www/demoapp/demoapp_nginx.conf"


@pytest.mark.parametrize(
    "log", ["uwsgi/demoapp/emperor.log", "uwsgi/demoapp/demoapp_uwsgi.log", "nginx/access.log", "nginx/error.log"]
)
def test_a_log_is_where_it_should_be(host, log):
    assert host.file(f"/var/log/{log}").is_file


def test_byte_code_was_made_at_release(host):
    assert "hello.cpython-" in host.check_output("ls /var/www/demoapp/current/code/__pycache__")


def test_the_packaged_default_site_is_gone(host):
    assert not host.file("/etc/nginx/sites-enabled/default").exists
    assert host.run("nginx -t").rc == 0
