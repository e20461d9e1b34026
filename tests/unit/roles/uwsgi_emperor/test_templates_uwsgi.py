"""The files of the Emperors and of a vassal, rendered; what they do is the host tests' matter."""

import configparser
import os
import re
import shutil
import subprocess

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations
from render import ROLES, render

APP = {
    "name": "shop",
    "module": "shop:create_app()",
    "processes": None,
    "threads": 16,
    "streams": 0,
    "concurrency": "threads",
    "preload": False,
    "harakiri": 60,
    "drain": 55,
    "idle": 0,
    "vassal_extra": {},
}
FOLDERS = {
    "code": "/var/www/shop/code/c0de",
    "venv": "/var/www/shop/venvs/5e5e",
    "pythonpath": ["/var/www/shop/code/c0de"],
}


def vassal(**changes):
    """Every option of a vassal with its values, in order."""
    options = {}
    for line in render("flask_app", "uwsgi.ini.j2", app={**APP, **changes}, **FOLDERS).splitlines():
        if line and not line.startswith((";", "[")):
            name, _, value = line.partition(" = ")
            options.setdefault(name, []).append(value)
    return options


def test_a_vassal_names_its_release_outright():
    options = vassal()
    assert options["chdir"] == ["/var/www/shop/code/c0de"]
    assert options["set-placeholder"] == [
        "app-module=shop:create_app()",
        "app-limit=60",
        "app-streams=0",
        "app-drain=55",
    ]
    assert options["socket"] == ["/var/www/shop/run/%n.sock"]
    assert not any("current" in value for values in options.values() for value in values)


def test_processes_left_to_the_machine_are_the_same_text_on_every_machine():
    assert vassal()["processes"] == ["%k"]
    assert vassal(processes=3)["processes"] == ["3"]


def test_raw_options_come_last_and_a_list_repeats_them():
    extra = {"lazy-apps": False, "route": [".* a:", ".* b:"], "max-requests": 5000}
    assert vassal(vassal_extra=extra) == {
        **vassal(),
        "lazy-apps": ["true", "false"],
        "route": [".* a:", ".* b:"],
        "max-requests": ["5000"],
    }
    assert list(vassal(vassal_extra=extra))[-2:] == ["route", "max-requests"]


def test_each_worker_imports_the_app_unless_it_is_to_be_preloaded():
    assert vassal()["lazy-apps"] == ["true"]
    assert "lazy-apps" not in vassal(preload=True)


def test_an_answer_may_wait_for_its_client_as_long_as_its_request_may_take():
    options = vassal(harakiri=90)
    assert options["socket-timeout"] == ["90"]


def test_uwsgis_own_deadline_is_the_net_below_that_of_each_request():
    options = vassal(harakiri=90)
    assert "app-limit=90" in options["set-placeholder"]
    (mercy,) = re.findall(r"^MERCY = (\d+)", (ROLES / "uwsgi_emperor/files/serve.py").read_text(), re.MULTILINE)
    assert int(options["harakiri"][0]) > 90 + int(mercy)


def test_streams_have_threads_of_their_own_and_no_deadline_of_uwsgis():
    options = vassal(streams=100)
    assert options["threads"] == ["116"] and "app-streams=100" in options["set-placeholder"]
    assert "harakiri" not in options


def test_an_app_that_may_sleep_says_when_and_nothing_else_changes():
    options = vassal(idle=900)
    assert options.pop("hook-master-start") == ["unix_signal:40 uwsgi_go_cheap"]
    awake = vassal()
    assert [value for value in options["set-placeholder"] if value not in awake["set-placeholder"]] == [
        "app-idle=900",
        "app-link=/var/www/shop/shop_uwsgi.sock",
        "app-socket=run/%n.sock",
    ]
    assert {**options, "set-placeholder": awake["set-placeholder"]} == awake
    assert "ORDER = 40 " in (ROLES / "uwsgi_emperor/files/emperor_sleep.py").read_text()


def test_greenlets_are_far_more_than_streams():
    options = vassal(concurrency="gevent", streams=500)
    assert (options["gevent"], options["gevent-early-monkey-patch"]) == (["1500"], ["true"])
    assert not {"threads", "harakiri"} & options.keys()


def test_a_log_is_a_file_that_is_rotated_or_the_journal():
    options = vassal()
    assert options["logto"] == ["/var/log/uwsgi/shop/shop_uwsgi.log"]
    text = render("flask_app", "uwsgi.ini.j2", app=APP, flask_app_log="journal", **FOLDERS)
    assert activations.JOURNAL in text.splitlines() and activations.JOURNAL not in render(
        "flask_app", "uwsgi.ini.j2", app=APP, **FOLDERS
    )
    assert "logto" not in text and "reopen_log.py" not in text and "rotated" not in text


def test_nginx_learns_the_release_and_the_log_the_request():
    options = vassal()
    assert options["add-header"] == ["X-Emperor-Release: %n"]
    assert "%(var.HTTP_X_REQUEST_ID)" in options["log-format"][0]


@pytest.mark.parametrize("template", sorted(path.name for path in (ROLES / "uwsgi_emperor/templates").iterdir()))
def test_every_file_says_who_manages_it(template):
    text = render("uwsgi_emperor", template)
    assert "Managed by emperor.flask" in "".join(text.splitlines()[:2])
    assert text.endswith("\n")


def test_the_unit_gives_an_emperor_nothing_it_does_not_need():
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(render("uwsgi_emperor", "uwsgi-emperor@.service.j2"))
    service = unit["Service"]
    assert (service["User"], service["CapabilityBoundingSet"], service["NoNewPrivileges"]) == ("%i", "", "yes")
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/www/%i/run /var/www/%i/shared /var/log/uwsgi/%i"
    emperor = configparser.ConfigParser(strict=False, interpolation=None)
    emperor.read_string(render("uwsgi_emperor", "emperor.ini.j2"))
    assert int(emperor["uwsgi"]["reload-mercy"]) < int(service["TimeoutStopSec"])


@pytest.mark.skipif(not shutil.which("logrotate", path="/usr/sbin:/usr/bin"), reason="no logrotate on this machine")
@pytest.mark.parametrize(("size", "rotated"), [(1, False), (99 * 2**20, False), (101 * 2**20, True)])
def test_a_large_log_is_rotated_at_once_and_the_new_one_is_its_apps_alone(tmp_path, size, rotated):
    """By the real logrotate, which has never seen the log before, so that its day is not over."""
    log = tmp_path / "shop/shop_uwsgi.log"
    log.parent.mkdir(mode=0o750)
    log.touch()
    os.truncate(log, size)
    log.chmod(0o666)
    if os.geteuid() == 0:
        os.chown(log, 65534, 4)
    before = log.stat()
    rules = tmp_path / "rules"
    rules.write_text(render("uwsgi_emperor", "logrotate.j2").replace("/var/log/uwsgi", str(tmp_path)))
    rules.write_text(rules.read_text().replace("systemctl kill", ": systemctl kill"))
    rules.chmod(0o644)
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    subprocess.run(["logrotate", "--state", tmp_path / "state", rules], check=True, env=environment)
    after = log.stat()
    assert (after.st_ino != before.st_ino) is rotated
    assert (tmp_path / "shop/shop_uwsgi.log.1").exists() is (tmp_path / "rotated").exists() is rotated
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert (after.st_mode & 0o777) == (0o640 if rotated else 0o666)
