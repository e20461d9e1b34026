"""A host behind a company's walls: all it has came through them, no credential came out, and what does not answer is named."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import testinfra

HOST, GATEWAY = (testinfra.get_host(f"docker://emperor-walls-{name}") for name in ("host", "gateway"))
FOLDER = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
MARK = "t0ken"  # in every password of the scenario
SILENT = "silent.walls.test:444"  # takes connections and never says a word
OURS = {
    "/etc/apt/apt.conf.d/80emperor-flask",
    "/etc/apt/auth.conf.d/emperor-flask.conf",
    "/etc/emperor-flask/netrc",
    "/etc/emperor-flask/proxy",
}
SETTINGS = [
    "prerequisites_package_index",
    "prerequisites_apt_mirror",
    "prerequisites_proxy",
    "prerequisites_ca_certificate",
]
UNSET = dict.fromkeys(SETTINGS, "")


def site(*flags, **variables):
    """Run the playbook that users run, with other variables; return exit status and output without Ansible's line breaks."""
    changes = FOLDER / "variables.json"
    changes.write_text(json.dumps(variables))
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible/collections"),
        "XDG_CACHE_HOME": str(FOLDER / "cache"),
        "ANSIBLE_NOCOLOR": "1",
    }
    argv = ["ansible-playbook", "-i", str(FOLDER / "inventory"), "playbooks/site.yml", *flags, "-e", f"@{changes}"]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def app(name, folder, **more):
    """An entry of flask_apps."""
    return {
        "name": name,
        "module": "hello:app",
        "source": {"path": str(folder)},
        "server_names": [f"{name}.test"],
        **more,
    }


def address():
    """The host's address on the network it shares with the gateway."""
    return HOST.check_output("hostname --ip-address")


def journal():
    """Everything in the host's journal, every field."""
    return HOST.check_output("journalctl --output export --all")


def in_the_system_bundle():
    """Whether the host trusts the CA of the walls."""
    line = (FOLDER / "ca.crt").read_text().splitlines()[5]
    return line in HOST.file("/etc/ssl/certs/ca-certificates.crt").content_string


def test_the_host_reaches_nothing_but_the_gateway():
    outside = "import socket; socket.create_connection(('192.0.2.1', 443), 3)"
    said = HOST.run("python3 -c %s", outside).stderr.splitlines()[-1]
    assert re.match("TimeoutError|OSError.*unreachable", said), said
    assert HOST.run("getent hosts pypi.org").rc != 0


def test_pips_packages_came_from_the_index_past_the_proxy():
    lines = GATEWAY.file("/var/log/nginx/index.log").content_string.splitlines()
    got = [line for line in lines if f"{address()} me@corp " in line and line.endswith(" 200")]
    for name in ("uwsgi-2.0.31.tar.gz", "flask-3.1.3-py3-none-any.whl"):
        assert [line for line in got if name in line], name
    assert {line.split()[0] for line in lines} == {address()}


def test_debians_packages_came_from_the_mirror_through_the_proxy():
    lines = GATEWAY.file("/var/log/nginx/mirror.log").content_string.splitlines()
    for name in ("bookworm-security/InRelease", "/ca-certificates_", "/nginx_", "/gcc-12_"):
        assert [line for line in lines if name in line and line.endswith(" 200")], name
    assert address() not in {line.split()[0] for line in lines}
    assert "CONNECT mirror.walls.test:443" in GATEWAY.file("/var/log/tinyproxy/tinyproxy.log").content_string


def test_the_app_serves():
    assert HOST.check_output("curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/") == "200"


def test_no_command_line_held_a_credential():
    seen = HOST.file("/root/seen").content_string
    assert [name for name in ("-m pip", "cc1", "apt-get") if name not in seen] == []
    assert HOST.file("/root/leaks").content_string == ""


def test_credentials_stand_in_files_of_roots_alone():
    unlike_itself = f"{MARK[:-1]}[{MARK[-1]}]"  # the watcher reads this command line, too
    folders = "/etc /home /opt /root /run /srv /tmp /usr/local /var"
    found = HOST.run(
        f"grep --recursive --text --files-with-matches --devices=skip '{unlike_itself}' {folders}"
    ).stdout.split()
    assert set(found) - {"/root/watch_processes.py"} == OURS
    for path in OURS:
        file = HOST.file(path)
        assert (file.user, file.mode) == ("root", 0o600), path
    assert MARK not in journal()


def test_a_run_that_changes_credentials_and_an_app_says_none_of_them(tmp_path):
    shutil.copytree(ROOT / "examples/demoapp", tmp_path / "second")
    changes = {
        "prerequisites_package_index": f"https://you:q-{MARK}@index.walls.test/simple",
        "prerequisites_apt_mirror": f"https://you:q-{MARK}@mirror.walls.test/debian",
        "prerequisites_no_proxy": ["index.walls.test", "mirror.walls.test"],
        "flask_apps": [app("second", tmp_path / "second")],
    }
    for flags in (["--check"], []):
        status, output = site("-vvv", "--diff", *flags, **changes)
        assert status == 0, output
        assert "not shown, but changed" in output
        assert MARK not in output
    assert "you" in GATEWAY.file("/var/log/nginx/mirror.log").content_string
    assert MARK not in journal()
    assert HOST.file("/root/leaks").content_string == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"prerequisites_apt_mirror": f"https://me:{MARK}@{SILENT}/debian"},
            rf"no package lists from the apt mirror https://{SILENT}/debian within 3\d seconds",
        ),
        (
            {"prerequisites_proxy": f"http://me:{MARK}@proxy.walls.test:8889"},
            r"no package lists from the apt mirror https://mirror\.walls\.test/debian within \d seconds: .*proxy\.walls\.test:8889",
        ),
    ],
    ids=["a silent mirror", "a dead proxy"],
)
def test_a_mirror_that_does_not_answer_is_named_with_the_time(changes, said):
    status, output = site("--tags", "prerequisites", **changes)
    assert status != 0
    assert re.search(said, output), output
    assert MARK not in output


def test_an_index_that_does_not_answer_is_named_with_the_time_and_the_app_serves_on(tmp_path):
    shutil.copytree(ROOT / "examples/demoapp", tmp_path / "demoapp")
    (tmp_path / "demoapp/requirements.txt").write_text("Flask==3.1.2\n")
    changes = {
        "prerequisites_package_index": f"https://me:{MARK}@{SILENT}/simple",
        "flask_apps": [{**app("demoapp", tmp_path / "demoapp"), "server_names": []}],
    }
    status, output = site("--tags", "prerequisites,flask_app", **changes)
    assert status != 0
    assert re.search(
        r"app 'demoapp': the package index at silent\.walls\.test did not answer within (4[5-9]|5\d) seconds", output
    )
    assert "what this host served before, it serves on." in output
    assert MARK not in output
    test_the_app_serves()


def test_what_is_unset_is_taken_away_and_the_distributions_sources_come_back():
    assert in_the_system_bundle()
    status, output = site("--tags", "prerequisites", **UNSET)
    assert status != 0  # the host does not reach Debian
    assert "no package lists from the apt mirror http://deb.debian.org/debian within" in output
    assert HOST.file("/etc/apt/sources.list").content == HOST.file("/root/sources.list").content
    assert HOST.file("/etc/apt/sources.list").mode == HOST.file("/root/sources.list").mode
    left = "find /etc /usr/local/share/ca-certificates -path '*emperor-flask*' ! -path '/etc/logrotate.d/*' -type f"
    assert HOST.check_output(left) == ""
    assert not in_the_system_bundle()
    status, output = site()
    assert status == 0, output
    assert re.search(r"changed=0", site()[1])
