"""Runs against hosts that serve already: a change is served, a mistake changes nothing and says what to do.

They are typed as the stranger types them (stranger.py).
"""

import json
import re
import shlex
import shutil
import subprocess

import pytest
from stranger import FOLDER, environment, hosts, on_each, play


def state():
    """Everything of the app that a failed run must leave as it was, and an answer."""
    listing = "cd /var/www/notes && find . -maxdepth 2 -printf '%p %l\\n' | sort; ls /etc/uwsgi/vassals/notes /etc/nginx/conf.d"
    return on_each(
        f"{listing}; curl --silent --output /dev/null --write-out '%{{http_code}}' -H 'Host: notes.example.com' http://127.0.0.1/"
    )


@pytest.fixture
def broken(tmp_path):
    """A copy of the app that cannot be imported."""
    shutil.copytree(FOLDER / "notes", tmp_path / "notes")
    module = tmp_path / "notes/src/notes/__init__.py"
    module.write_text(module.read_text() + "\nraise RuntimeError('the database is on fire')\n")
    return {"path": str(tmp_path / "notes")}


MISTAKES = {
    "a misspelt key": ({"server_name": []}, ["app 'notes': unknown key 'server_name'", "did you mean 'server_names'?"]),
    "a source that is not there": ({"source": {"path": "nowhere"}}, ["app 'notes'", f"{FOLDER}/inventory/nowhere"]),
    "an account of the host's": ({"name": "mail"}, ["app 'mail'", "account of the host's own", "choose another name"]),
    "a python that is not there": ({"python": "/opt/python9"}, ["app 'notes'", "'/opt/python9'", "install it"]),
    "a directive misspelt": (
        {"nginx_extra": "servr_tokens off;"},
        ["app 'notes'", 'unknown directive "servr_tokens"', "nginx_extra"],
    ),
    "a module that is not there": (
        {"module": "nots:create_app()", "health": {"timeout": 8}},
        ["app 'notes'", "No module named 'nots'", "what this host served before, it serves on."],
    ),
    "a callable that is not there": (
        {"module": "notes:create_ap()", "health": {"timeout": 8}},
        ["app 'notes'", "has no attribute 'create_ap'", "what this host served before, it serves on."],
    ),
    "an option misspelt": ({"vassal_extra": {"threds": 3}, "health": {"timeout": 8}}, ["app 'notes'", "threds"]),
}


@pytest.fixture
def requiring(tmp_path):
    """Make a copy of the app that requires something else."""

    def requiring(requirement):
        shutil.copytree(FOLDER / "notes", tmp_path / "notes")
        (tmp_path / "notes/requirements.txt").write_text(f"{requirement}\n")
        return {"path": str(tmp_path / "notes")}

    return requiring


@pytest.fixture
def full_disk():
    """Every host without room where the app is built."""
    on_each("mount -t tmpfs -o size=64k,mode=700 tmpfs /var/www/notes/build")
    yield
    on_each("umount /var/www/notes/build")


@pytest.mark.parametrize(("changes", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_changes_nothing_and_says_what_to_do(changes, words):
    before = state()
    status, output, _ = play(**changes)
    assert status != 0
    assert [word for word in words if word not in output] == [], output
    assert state() == before


def test_a_misspelt_directive_is_named_with_its_line_and_every_site_serves_on():
    statuses = " ".join(
        f"$(curl --silent --output /dev/null --write-out '%{{http_code}}' -H 'Host: {name}' http://127.0.0.1/)"
        for name in ("demoapp.test", "echo.test", "notes.example.com")
    )
    answers = on_each(f"echo {statuses}")
    assert all("000" not in answer for answer in answers)
    status, output, _ = play(nginx_extra="add_header X-One 1;\nservr_tokens off;")
    assert status != 0
    assert re.search(r"app 'notes': .*unknown directive \"servr_tokens\" in its nginx.conf:\d+", output, re.DOTALL)
    assert on_each(f"echo {statuses}") == answers
    status, output, changed = play()
    assert (status, set(changed)) == (0, {"0"}), output


def test_a_release_that_cannot_be_imported_is_red_and_the_old_one_serves_on(broken):
    before = state()
    status, output, _ = play(source=broken, health={"timeout": 8})
    assert status != 0
    assert "RuntimeError: the database is on fire" in output
    assert "what this host served before, it serves on." in output
    assert state() == before


def test_a_requirement_that_nobody_has_is_named_and_nothing_changes(requiring):
    before = state()
    status, output, changed = play(source=requiring("Flask==0.0.99"))
    assert status != 0
    assert "cannot be made with requirements.txt" in output
    assert "No matching distribution found for Flask==0.0.99" in output
    assert (set(changed), state()) == ({"0"}, before)


def test_a_full_disk_is_named_and_nothing_changes(requiring, full_disk):
    before = state()
    status, output, changed = play(source=requiring("Flask==3.1.2"))
    assert status != 0
    assert "A disk is full: there are 0 MB left in /var/www/notes/build; make room" in " ".join(output.split())
    assert (set(changed), state()) == ({"0"}, before)


def test_changed_code_is_served_after_the_next_run():
    module = FOLDER / "notes/src/notes/__init__.py"
    module.write_text(module.read_text().replace("return app\n", 'app.get("/new")(lambda: "new")\n    return app\n'))
    status, output, changed = play()
    assert status == 0 and "0" not in changed, output
    asked = "curl --silent -H 'Host: notes.example.com' http://127.0.0.1/new"
    assert on_each(asked) == ["new"] * len(hosts())
    assert set(play()[2]) == {"0"}


def test_a_new_secret_is_served_and_stands_in_no_output():
    status, output, changed = play("--diff", "-vvvv", secrets={"NOTES_ROTATED": "s3cret of today"})
    assert status == 0 and "0" not in changed, output
    assert "s3cret" not in output
    asked = "curl --silent -H 'Host: notes.example.com' http://127.0.0.1/environment/NOTES_ROTATED"
    assert [bytes(json.loads(answer)) for answer in on_each(asked)] == [b"s3cret of today"] * len(hosts())


def test_deploy_releases_one_app_and_rollback_goes_back():
    module = FOLDER / "notes/src/notes/__init__.py"
    module.write_text(module.read_text().replace('"new"', '"newer"'))
    asked = "curl --silent -H 'Host: notes.example.com' http://127.0.0.1/new"
    for line, answer in (
        ("ansible-playbook -i inventory emperor.flask.deploy -e app=notes", "newer"),
        ("ansible-playbook -i inventory emperor.flask.rollback -e app=notes", "new"),
    ):
        done = subprocess.run(line.split(), cwd=FOLDER, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        released = re.findall(r"notes on (\S+): \w{12} -> \w{12} in [\d.]+ s, http://notes.example.com/", done.stdout)
        assert set(hosts()) <= set(released)
        assert on_each(asked) == [answer] * len(hosts())


def test_the_apps_of_all_hosts_are_shown_and_a_command_is_run_on_one():
    def typed(line):
        argv = shlex.split(line)
        return subprocess.run(argv, cwd=FOLDER, env=environment(), capture_output=True, text=True)

    # The tests above released on one host and went back on all, so what they serve differs.
    released = typed("ansible-playbook -i inventory emperor.flask.deploy -e app=notes")
    assert released.returncode == 0, released.stdout
    shown = typed("ansible-playbook -i inventory emperor.flask.status")
    assert re.search(r"notes +\w{12} +20\d\d-", shown.stdout), shown.stdout
    doctor = typed("ansible-playbook -i inventory emperor.flask.doctor")
    found = set(re.findall(r"\[([a-z-]+)\]; to mend it", " ".join(doctor.stdout.split())))
    assert found <= {"killed"}, doctor.stdout  # test_resilience has killed some
    assert bool(found) == bool(doctor.returncode), doctor.stdout
    users = 'ansible-playbook -i inventory emperor.flask.run -e app=notes -e command="flask users add anna"'
    done = typed(users)
    # The app has no such command, and Flask says so: what it says, and how it ended, is the run's.
    assert done.returncode != 0 and "No such command 'users'" in done.stdout and "ended with 2" in done.stdout
    done = typed(users.replace("flask users add anna", "flask routes"))
    assert done.returncode == 0 and "environment" in done.stdout, done.stdout
