"""The transaction on a real host: what dies is finished, what is dropped goes, and what is secret is not shown."""

import json
import os
import shlex
import signal
import subprocess
import time

import pytest
from conftest import eventually
from stranger import APP, FOLDER, command, environment, hosts, play, site

PLAYBOOK = [
    {
        "hosts": "flask_servers",
        "become": True,
        "gather_facts": False,
        "tasks": [
            {
                "emperor.flask.configuration": {
                    "set": "proof",
                    "files": "{{ proof_files }}",
                    "check": ["nginx", "-t"],
                    "service": "nginx.service",
                }
            }
        ],
    }
]
SERVER = 'server { listen 127.0.0.1:8099; server_name {{ name }}; return 200 "{{ name }}"; }\n'
# Stands before nginx on the PATH: says who tests the configuration that a test writes, and keeps that test waiting.
SLOW_NGINX = "#!/bin/sh\ngrep -q 'server_tokens on;' /etc/nginx/nginx.conf || exec /usr/sbin/nginx \"$@\"\necho $PPID >/run/tested-by\nexec sleep 600\n"


def on_host(line):
    """What a shell's line prints on the host of these tests."""
    argv = ["docker", "exec", hosts()[0], "sh", "-c", line]
    return subprocess.run(argv, capture_output=True, text=True).stdout


@pytest.fixture
def proof():
    """Applies a set of the tests' own to one host, and takes it away at the end."""
    (FOLDER / "proof.yml").write_text(json.dumps(PLAYBOOK))

    def apply(*flags, files):
        (FOLDER / "proof.json").write_text(json.dumps({"proof_files": files}))
        argv = ["ansible-playbook", "-i", "inventory", "--limit", hosts()[0], "proof.yml", "-e", "@proof.json", *flags]
        done = subprocess.run(argv, cwd=FOLDER, env=environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    yield apply
    apply(files=[])


def test_a_file_that_is_dropped_goes_and_is_served_no_longer(proof):
    (FOLDER / "one.j2").write_text(SERVER.replace("{{ name }}", "one"))
    (FOLDER / "two.j2").write_text(SERVER.replace("{{ name }}", "two"))
    one, two = ({"template": f"{name}.j2", "path": f"/etc/nginx/conf.d/proof-{name}.conf"} for name in ("one", "two"))
    asked = "curl --silent -H 'Host: two' http://127.0.0.1:8099/"
    proof(files=[one, two])
    assert on_host(asked) == "two"
    assert "changed=1" in proof("--check", "--diff", files=[one])
    assert on_host(asked) == "two"
    output = proof("--diff", files=[one])
    assert "--- before: /etc/nginx/conf.d/proof-two.conf" in output
    eventually(lambda: on_host(asked) == "one")
    assert on_host("ls /etc/nginx/conf.d | grep proof") == "proof-one.conf\n"
    assert "changed=0" in proof(files=[one])


def test_a_sensitive_file_is_shown_by_neither_diff_nor_check_mode_nor_the_journal(proof):
    file = {"template": "token.j2", "path": "/etc/nginx/proof.token", "sensitive": True, "reload": False}
    shown = ""
    for token in ("first-t0ken", "second-t0ken"):
        (FOLDER / "token.j2").write_text(f"{token} é\nof two lines\n")
        shown += proof("--check", "--diff", "-vvv", files=[file])
        assert token not in on_host("cat /etc/nginx/proof.token")
        shown += proof("--diff", "-vvv", files=[file])
        assert on_host("cat /etc/nginx/proof.token") == f"{token} é\nof two lines\n"
    shown += proof("--check", "--diff", "-vvv", files=[]) + proof("--diff", "-vvv", files=[])
    assert shown.count("changed=1") == 6
    assert "proof.token" in shown
    assert "t0ken" not in shown
    assert "t0ken" not in on_host("journalctl --no-pager --since -10min")


def test_a_new_secret_is_shown_by_neither_diff_nor_check_mode():
    before = on_host("ls /var/www/notes/releases /var/www/notes/secrets")
    status, output, changed = play("--check", "--diff", "-vvv", secrets={"NOTES_NEW": "s3cret of tomorrow"})
    assert (status, set(changed)) == (0, {"1"}), output
    assert "s3cret" not in output
    assert on_host("ls /var/www/notes/releases /var/www/notes/secrets") == before


def test_a_run_killed_between_write_and_reload_is_finished_by_the_next():
    (FOLDER / "killed.conf.j2").write_text(
        '{% set text %}{% include "nginx.conf.j2" %}{% endset %}'
        '{{ text | replace("server_tokens off;", "server_tokens on;") }}\n'
    )
    flags = ("--limit", hosts()[0], "--tags", "nginx")
    variables = {"flask_apps": [APP], "nginx_config_template": "../killed.conf.j2"}
    asked = "curl --silent --head -H 'Host: notes.example.com' http://127.0.0.1/ | grep -c 'Server: nginx/'"
    on_host(f"printf %s {shlex.quote(SLOW_NGINX)} >/usr/local/sbin/nginx; chmod 755 /usr/local/sbin/nginx")
    try:
        run = subprocess.Popen(
            command(*flags, **variables),
            cwd=FOLDER,
            env=environment(),
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(lambda: on_host("cat /run/tested-by"))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        # Over a real network, what the controller had started on the host dies with its connection.
        on_host("kill -9 $(cat /run/tested-by); pkill -9 -f '^sleep 600'")
    finally:
        on_host("rm -f /usr/local/sbin/nginx /run/tested-by")
    assert on_host("grep -c 'server_tokens on;' /etc/nginx/nginx.conf") == "1\n"
    time.sleep(1)
    assert on_host(asked) == "0\n"
    status, output, changed = site(*flags, **variables)
    assert (status, changed) == (0, ["1"]), output
    eventually(lambda: on_host(asked) == "1\n")
    assert site(*flags, **variables)[2] == ["0"]
    assert site(*flags, flask_apps=[APP])[0] == 0
    eventually(lambda: on_host(asked) == "0\n")
