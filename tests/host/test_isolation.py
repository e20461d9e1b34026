"""From inside one app, nothing of another's can be reached, and not even its own code can be changed."""

import pytest

PRIVATE = {
    "code": "/var/www/echo/current/code/echo.py",
    "environment": "/var/www/echo/current/env",
    "manifest": "/var/www/echo/current/manifest.json",
    "log": "/var/log/uwsgi/echo/echo_uwsgi.log",
}


def test_the_intruder_can_do_what_it_may(door):
    """Otherwise the refusals below would prove nothing."""
    assert door.attempt("read", "/var/www/notes/current/code/src/notes/intruder.py") == "ok"
    assert door.attempt("write", "/var/www/notes/shared/scratch") == "ok"
    assert door.attempt("write", "/tmp/scratch") == "ok"
    assert door.attempt("connect", "/var/www/notes/notes_uwsgi.sock") == "ok"


@pytest.mark.parametrize("path", PRIVATE.values(), ids=PRIVATE)
def test_another_apps_files_cannot_be_read(door, host, path):
    assert host.file(path).exists
    assert door.attempt("read", path) == "EACCES"


@pytest.mark.parametrize(
    "folder", ["/var/www/echo/secrets", "/etc/uwsgi/vassals/echo", "/var/www/echo/run", "/var/www/echo/shared"]
)
def test_another_apps_folders_cannot_be_listed(door, folder):
    assert door.attempt("list", folder) == "EACCES"


def test_another_apps_secrets_and_socket_cannot_be_opened(door, host):
    number = host.check_output("ls /var/www/echo/secrets")
    assert door.attempt("read", f"/var/www/echo/secrets/{number}") == "EACCES"
    assert door.attempt("connect", "/var/www/echo/echo_uwsgi.sock") == "EACCES"


def test_a_link_to_another_apps_socket_serves_nothing_of_it(door, host):
    """An app owns the folder of its sockets, and nginx follows a link there; the other app must not answer."""
    socket = "/var/www/notes/" + host.check_output("readlink /var/www/notes/notes_uwsgi.sock")
    assert door.ask("/environment", "echo.test") == (200, "known to echo alone")
    host.check_output(f"flask-app notes mv {socket} {socket}.own")
    try:
        host.check_output(f"flask-app notes ln -s /var/www/echo/echo_uwsgi.sock {socket}")
        assert door.ask("/environment", "notes.example.com")[0] == 403
    finally:
        host.check_output(f"flask-app notes mv {socket}.own {socket}")
    assert door.ask("/", "notes.example.com")[0] == 200


def test_another_apps_processes_are_not_even_seen(door, host):
    (worker, *_) = host.check_output("pgrep --uid echo uwsgi").split()
    assert door.attempt("read", f"/proc/{worker}/environ") == "ENOENT"


@pytest.mark.parametrize(
    "path",
    [
        "/var/www/notes/current/code/src/notes/__init__.py",
        "/var/www/notes/current/code/new.py",
        "/var/www/notes/current/venv/new.py",
        "/var/www/notes/current/env",
        "/var/www/notes/new",
        "/etc/uwsgi/vassals/notes/new.ini",
        "/etc/passwd",
    ],
)
def test_an_apps_own_code_and_the_system_cannot_be_written(door, path):
    assert door.attempt("write", path) in ("EROFS", "EACCES")


def test_an_apps_own_code_cannot_be_written_by_a_command_either(host):
    for path in ("current/code/src/notes/__init__.py", "current/venv/new.py", "current/env", "new"):
        writing = host.run(f"flask-app notes touch /var/www/notes/{path}")
        assert writing.stderr.rstrip().endswith(("Permission denied", "Read-only file system")), path


def test_an_app_cannot_disturb_its_logs_folder(host):
    """Its owner could make logrotate refuse, for every app."""
    assert host.run("flask-app notes chmod 777 /var/log/uwsgi/notes").rc != 0
    assert host.run("flask-app notes touch /var/log/uwsgi/notes/new").rc != 0


def test_the_app_runs_as_its_own_user_without_any_capability(door, host):
    identity = door.identity()
    assert identity["uid"] == host.user("notes").uid
    assert identity["groups"] in ([], [host.user("notes").gid])
    assert (int(identity["CapEff"], 16), int(identity["CapBnd"], 16)) == (0, 0)
    assert identity["NoNewPrivs"] == "1"


def test_tmp_is_the_apps_own(door, host):
    assert door.attempt("write", "/tmp/of-notes-alone") == "ok"
    assert not host.file("/tmp/of-notes-alone").exists


def test_nginx_cannot_read_code_or_secrets(host):
    for path in ("current/code/hello.py", "current/env", "secrets"):
        reading = host.run(f"setpriv --reuid www-data --regid www-data --init-groups ls /var/www/demoapp/{path}")
        assert "Permission denied" in reading.stderr, path
