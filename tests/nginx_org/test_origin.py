"""nginx from nginx.org's repository: trusted by its pinned keys alone, and exchanged while it serves. One story, told in order."""

import json
import subprocess

import pytest
from conftest import HOSTS, KEYS, ROLE, SITE, everywhere, key, on, on_each, play

ASK = "curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: echo.test' http://127.0.0.1/"
STATE = (
    "find /etc/apt/keyrings /etc/apt/sources.list.d /etc/apt/preferences.d /etc/nginx -type f | sort | xargs sha256sum; "
    "dpkg-query -W nginx; systemctl show -p MainPID nginx; " + ASK
)
VERSION = "dpkg-query -W -f '${Version}' nginx"
WORKERS = "ps -o user= --ppid $(cat /run/nginx.pid) | sort -u"
# The distributions keep nginx's files in nginx-common; nginx.org has no such package.
PACKAGES = "dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'nginx*' | sed -n 's/^installed //p' | paste -sd ' '"
SOCKETS = "stat -c %G /var/www/echo/run /var/www/echo/run/*.sock | sort -u"


def test_nginx_org_serves_with_upstreams_version_and_account():
    for host, version in on_each(VERSION).items():
        assert version.endswith("-1~" + on(host, ". /etc/os-release; echo $VERSION_CODENAME"))
    assert on_each(WORKERS) == everywhere("nginx")
    assert on_each(ASK) == everywhere("200")


def test_the_hosts_have_no_gpg_and_trust_one_key_of_the_two():
    assert on_each("command -v gpg || echo none") == everywhere("none")
    trusted = on(HOSTS[0], "cat /etc/apt/keyrings/nginx-org.asc")
    argv = ["docker", "exec", "-i", "emperor-org-repository", "gpg", "--with-colons", "--show-keys"]
    packets = subprocess.run(argv, input=trusted, capture_output=True, text=True, check=True).stdout
    assert [line.split(":")[9] for line in packets.splitlines() if line.startswith("fpr")] == [key("good")]


def test_apt_prefers_nginx_org_to_the_distribution():
    for host, policy in on_each("apt-cache policy nginx").items():
        installed = policy.split("Installed: ")[1].split()[0]
        assert f"Candidate: {installed}" in policy, host


REFUSED = {
    "a repository signed with a key nobody pinned": (
        {"nginx_repository_url": "http://nginx.org/stranger/packages"},
        ["apt does not trust http://nginx.org/stranger/packages/debian (bookworm)"],
    ),
    "a signature that has expired": (
        {"nginx_repository_url": "http://nginx.org/expired/packages"},
        ["apt does not trust http://nginx.org/expired/packages/debian (bookworm)"],
    ),
    "a package that was tampered with": (
        {"nginx_repository_url": "http://nginx.org/tampered/packages"},
        ["apt cannot download nginx", "from http://nginx.org/tampered/packages/debian (bookworm)", "Hash Sum mismatch"],
    ),
    "a codename that is not there": (
        {"nginx_repository_url": "http://nginx.org/nowhere"},
        ["http://nginx.org/nowhere/debian has no packages for 'bookworm'; set nginx_origin to 'distribution'"],
    ),
    "a version that is not there": (
        {"nginx_version": "1.99.0"},
        [
            "nginx_version '1.99.0' is not in http://nginx.org/packages/debian (bookworm), which has 1.",
            "-1~bookworm; name one of these",
        ],
    ),
}


@pytest.mark.parametrize(("variables", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trusted_or_had_changes_nothing(variables, words):
    on_each("apt-get clean")  # or apt would take the true package of an earlier run
    before = on_each(STATE)
    status, output, changes = play(ROLE, **variables)
    assert status != 0
    assert [word for word in words if word not in output] == [], output
    assert changes == everywhere(0), output
    assert on_each(STATE) == before


def test_check_mode_tells_of_another_channel_and_changes_nothing():
    before = on_each(STATE)
    status, output, changes = play(ROLE, "--check", "--diff", nginx_channel="mainline")
    assert status == 0, output
    assert "+URIs: http://nginx.org/packages/mainline/debian" in output
    assert 0 not in changes.values()
    assert on_each(STATE) == before


def test_another_server_on_port_80_is_named_and_nothing_changes():
    host = HOSTS[0]
    on(host, "systemctl stop nginx; systemd-run --quiet --unit other-server python3 -m http.server 80")
    try:
        on(host, "for i in $(seq 50); do ss -nlt 'sport = 80' | grep -q LISTEN && break; sleep 0.1; done")
        status, output, changes = play(SITE, "--limit", host)
        assert status != 0
        assert "port 80 is held by python3 (process" in output
        assert changes == {host: 0}
    finally:
        on(host, "systemctl stop other-server; systemctl start nginx")


def test_another_channel_and_back_to_an_exact_version_while_they_serve(requests):
    before = on_each(VERSION)
    with requests:
        status, output, _ = play(ROLE, nginx_channel="mainline", nginx_source_packages=True)
    assert status == 0, output
    assert on_each(VERSION) == {host: version.replace("-1~", "-2~") for host, version in before.items()}
    assert on_each("grep ^Types: /etc/apt/sources.list.d/nginx-org.sources") == everywhere("Types: deb deb-src")
    with requests:
        status, output, _ = play(ROLE, nginx_version="{{ " + json.dumps(before) + "[inventory_hostname] }}")
    assert status == 0, output
    assert on_each(VERSION) == before


def moved(account):
    """Everything of nginx's belongs to this account, and nothing is left of the move."""
    assert on_each(WORKERS) == everywhere(account)
    assert on_each(SOCKETS) == everywhere(account)
    assert on_each("id -nG nginx; id -nG www-data") == everywhere("nginx\nwww-data")
    assert on_each("readlink /proc/$(cat /run/nginx.pid)/exe") == everywhere("/usr/sbin/nginx")
    assert on_each("systemctl show -p MainPID --value nginx") == on_each("cat /run/nginx.pid")
    assert on_each("systemctl is-enabled nginx") == everywhere("enabled")
    assert on_each("test ! -e /usr/sbin/policy-rc.d && echo gone") == everywhere("gone")


def test_the_role_alone_moves_a_host_to_the_distribution_while_it_serves(requests):
    with requests:
        status, output, changes = play(ROLE, nginx_origin="distribution")
    assert status == 0, output
    assert 0 not in changes.values()
    assert {packages.split()[:2] == ["nginx", "nginx-common"] for packages in on_each(PACKAGES).values()} == {True}
    assert on_each(WORKERS) == everywhere("www-data")
    assert on_each(SOCKETS) == everywhere("nginx"), "the apps were to follow later"


def test_the_apps_follow_while_they_serve(requests):
    with requests:
        status, output, changes = play(SITE, "--tags", "nginx,flask_app", nginx_origin="distribution")
    assert status == 0, output
    assert 0 not in changes.values()
    moved("www-data")
    status, output, changes = play(SITE, nginx_origin="distribution")
    assert (status, changes) == (0, everywhere(0)), output


def test_a_host_moves_back_with_its_apps_while_it_serves(requests):
    with requests:
        status, output, changes = play(SITE, "--tags", "nginx,flask_app")
    assert status == 0, output
    assert 0 not in changes.values()
    assert on_each(PACKAGES) == everywhere("nginx")
    moved("nginx")


def test_nothing_is_left_of_the_distributions_package_that_a_purge_could_take_with_it():
    on_each("apt-get purge -qq -y '~c' && nginx -t")
    assert on_each(
        "dpkg-query -W -f '${db:Status-Status}\n' 'nginx*' 'libnginx*' | grep -c config-files; true"
    ) == everywhere("0")
    assert on_each("ls /etc/nginx/mime.types /etc/logrotate.d/nginx | wc -l; " + ASK) == everywhere("2\n200")


def test_an_expired_key_is_renewed_before_anything_asks_apt():
    aging = {"nginx_repository_url": "http://nginx.org/aging/packages", "nginx_signing_keys": [key("aging")]}
    renewed = {**aging, "nginx_signing_key_url": str(KEYS / "renewed.key")}
    status, output, _ = play(ROLE, **renewed)
    assert status == 0, output
    for host in HOSTS:
        subprocess.run(["docker", "cp", str(KEYS / "aging.key"), f"{host}:/etc/apt/keyrings/nginx-org.asc"], check=True)
    # A new image, or somebody short of disk: without lists, apt has nothing to fall back on.
    blocked = on_each("rm -rf /var/lib/apt/lists/*; apt-get update >/dev/null 2>&1; echo $?")
    assert "0" not in blocked.values()
    on_each("rm -rf /var/lib/apt/lists/*; touch -d @0 /var/lib/apt/lists")
    status, output, _ = play(SITE, "--tags", "prerequisites", prerequisites_cache_valid_time=0, **renewed)
    assert status == 0, output
    status, output, _ = play(ROLE)
    assert status == 0, output
