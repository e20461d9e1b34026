"""Of three hosts of two kinds, two have built uWSGI; the third got the wheel, and serves with it, without a compiler."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import testinfra

HOSTS = ("emperor-build-debian-12", "emperor-build-debian-13-one", "emperor-build-debian-13-two")
COMPILER = ("gcc", "libc6-dev", "libpcre2-dev", "python3-dev", "libpython3-dev")
SERVE = """
printf '%s\\n' 'def application(environ, respond):' '    respond("200 OK", [])' '    return [b"served"]' > /root/wheel.py
timeout 20 /opt/uwsgi/current/bin/uwsgi --http-socket 127.0.0.1:8099 --need-app --pythonpath /root --module wheel >/root/wheel.log 2>&1 &
curl --silent --retry 10 --retry-connrefused --retry-delay 1 http://127.0.0.1:8099/
kill -INT $!
"""


@pytest.fixture(scope="module")
def manifests():
    """What the controller's cache says of each wheel."""
    found = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "cache/emperor.flask").glob("pyuwsgi/*/*/manifest.json")
    return {path: json.loads(path.read_text()) for path in found}


def has_compiler(name):
    """Whether any package of the compiler's is on a host."""
    host = testinfra.get_host(f"docker://{name}")
    return any(host.package(package).is_installed for package in COMPILER)


def test_two_kinds_of_hosts_have_a_wheel_each(manifests):
    assert sorted(path.parent.name.rsplit("-", 2)[0] for path in manifests) == ["debian-12", "debian-13"]
    for path, manifest in manifests.items():
        assert hashlib.sha256((path.parent / manifest["file"]).read_bytes()).hexdigest() == manifest["sha256"]


def test_only_those_that_built_have_a_compiler(manifests):
    builders = {manifest["built_on"] for manifest in manifests.values()}
    assert len(builders) == 2
    assert {name for name in HOSTS if has_compiler(name)} == builders


def test_every_host_serves_with_it(host):
    assert host.check_output(SERVE) == "served"
