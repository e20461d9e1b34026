"""nginx from nginx.org's repository: trusted by its pinned keys alone, and exchanged while it serves."""

import subprocess

import pytest
from conftest import HOSTS, KEYS, key, on, on_each, play

ASK = "curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: echo.test' http://127.0.0.1/"
TRUST = "find /etc/apt/keyrings /etc/apt/sources.list.d /etc/apt/preferences.d -type f | xargs sha256sum; dpkg-query -W nginx; "
STATE = TRUST + "sha256sum /etc/nginx/nginx.conf; pidof nginx >/dev/null && echo runs; " + ASK


def users():
    """The accounts of nginx's workers."""
    return on_each("ps -o user= -C nginx | sort -u | paste -sd,")


def origins():
    """Whether nginx.org's package is installed."""
    return {
        host: "nginx.org" if "~" in version and "-common" not in version else "distribution"
        for host, version in on_each(
            "dpkg-query -W -f '${Package}${Version} ' nginx nginx-common 2>/dev/null; true"
        ).items()
    }


def everywhere(value):
    """The same on each host."""
    return dict.fromkeys(HOSTS, value)


def test_nginx_org_serves_with_upstreams_version_and_account():
    for host, version in on_each("dpkg-query -W -f '${Version}' nginx").items():
        assert version.endswith("-1~" + on(host, ". /etc/os-release; echo $VERSION_CODENAME"))
    assert users() == everywhere("nginx,root")
    assert on_each(ASK) == everywhere("200")


def test_the_hosts_have_no_gpg_and_trust_one_key_of_the_two():
    assert on_each("command -v gpg || echo none") == everywhere("none")
    packets = subprocess.run(
        ["docker", "exec", "-i", "emperor-org-repository", "gpg", "--with-colons", "--show-keys"],
        input=on(HOSTS[0], "cat /etc/apt/keyrings/nginx-org.asc"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line.split(":")[9] for line in packets.splitlines() if line.startswith("fpr")] == [key("good")]


def test_apt_prefers_nginx_org_to_the_distribution():
    for host, policy in on_each("apt-cache policy nginx").items():
        installed = policy.split("Installed: ")[1].split()[0]
        assert f"Candidate: {installed}" in policy, host


REFUSED = {
    "a wrong key": (
        {"nginx_repository_url": "http://nginx.org/stranger/packages"},
        ["does not trust", "http://nginx.org"],
    ),
    "an expired signature": ({"nginx_repository_url": "http://nginx.org/expired/packages"}, ["does not trust"]),
    "keys nobody pinned": (
        {"nginx_signing_key_url": str(KEYS / "stranger.key")},
        ["none of the wanted keys", "Wanted: ", "Found: "],
    ),
    "a codename that is not there": (
        {"nginx_repository_url": "http://nginx.org/nowhere"},
        ["has no packages for", "nginx_origin to 'distribution'"],
    ),
    "a version that is not there": ({"nginx_version": "1.99.0"}, ["nginx_version '1.99.0'", "-1~bookworm"]),
    "a short key id": ({"nginx_signing_keys": ["2FF4C2A5"]}, ["'2FF4C2A5'", "40 hexadecimal digits"]),
}


@pytest.mark.parametrize(("variables", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_trusted_or_had_changes_nothing(variables, words):
    before = on_each(STATE)
    status, output, changes = play("--tags", "nginx", **variables)
    output = " ".join(output.split())
    assert status != 0
    assert [word for word in words if word not in output] == [], output
    assert set(changes.values()) <= {"0"}, output
    assert on_each(STATE) == before


def test_a_tampered_package_is_not_installed_on_a_host_that_serves_with_the_distributions():
    status, output, _ = play(nginx_origin="distribution")
    assert status == 0, output
    on_each("apt-get clean")  # apt would take the true package of an earlier run
    before = on_each(STATE)
    status, output, _ = play("--tags", "nginx", nginx_repository_url="http://nginx.org/tampered/packages")
    assert status != 0
    assert "cannot download nginx" in output
    assert on_each(STATE) == before
    status, output, _ = play()
    assert status == 0, output


def test_a_host_moves_to_the_distribution_and_back_while_it_serves(requests):
    for variables, user, origin in (
        ({"nginx_origin": "distribution"}, "www-data", "distribution"),
        ({}, "nginx", "nginx.org"),
    ):
        with requests:
            status, output, changes = play(**variables)
        assert status == 0, output
        assert "0" not in changes.values()
        assert {host: set(answers) for host, answers in requests.answers.items()} == everywhere({"200"})
        assert origins() == everywhere(origin)
        assert users() == everywhere(f"{user},root".replace("www-data,root", "root,www-data"))
        assert on_each("stat -c %G /var/www/echo/run /var/www/echo/run/*.sock | sort -u") == everywhere(user)
        assert on_each("readlink /proc/$(cat /run/nginx.pid)/exe") == everywhere("/usr/sbin/nginx")
        assert on_each("systemctl show -p MainPID --value nginx; cat /run/nginx.pid") == on_each(
            "cat /run/nginx.pid; cat /run/nginx.pid"
        )
        assert on_each("id -nG nginx; id -nG www-data") == everywhere("nginx\nwww-data")
        assert on_each("systemctl is-enabled nginx; ls /usr/sbin/policy-rc.d 2>&1 | grep -c cannot") == everywhere(
            "enabled\n1"
        )
        status, output, changes = play(**variables)
        assert set(changes.values()) == {"0"}, output


def test_the_nginx_role_alone_leaves_the_sites_serving(requests):
    with requests:
        status, output, _ = play("--tags", "nginx", nginx_origin="distribution")
    assert status == 0, output
    assert {host: set(answers) for host, answers in requests.answers.items()} == everywhere({"200"})
    assert on_each(ASK) == everywhere("200")
    assert play()[0] == 0


def test_nothing_is_left_of_the_other_package_that_a_purge_could_take_with_it():
    assert on_each("dpkg-query -W -f '${db:Status-Abbrev}' nginx-common 2>/dev/null || echo none") == everywhere("none")
    on_each("apt-get purge -qq -y '~c' >/dev/null 2>&1; nginx -t 2>&1")
    assert on_each("ls /etc/nginx/mime.types /etc/logrotate.d/nginx | wc -l; " + ASK) == everywhere("2\n200")


def test_another_channel_and_an_exact_version(requests):
    for variables, revision in (({"nginx_channel": "mainline", "nginx_source_packages": True}, "-2~"), ({}, "-1~")):
        with requests:
            status, output, _ = play("--tags", "nginx", **variables)
        assert status == 0, output
        assert {host: set(answers) for host, answers in requests.answers.items()} == everywhere({"200"})
        for version in on_each("dpkg-query -W -f '${Version}' nginx").values():
            assert revision in version
    exact = on(HOSTS[0], "dpkg-query -W -f '${Version}' nginx").split("-")[0]
    status, output, changes = play("--tags", "nginx", "--limit", HOSTS[0], nginx_version=exact)
    assert (status, changes[HOSTS[0]]) == (0, "0"), output


def test_an_expired_key_is_renewed_before_anything_asks_apt():
    aging = {"nginx_repository_url": "http://nginx.org/aging/packages", "nginx_signing_keys": [key("aging")]}
    status, output, _ = play("--tags", "nginx", **aging, nginx_signing_key_url=str(KEYS / "renewed.key"))
    assert status == 0, output
    for host in HOSTS:
        subprocess.run(["docker", "cp", str(KEYS / "aging.key"), f"{host}:/etc/apt/keyrings/nginx-org.asc"], check=True)
    # A new image, or somebody short of disk: without lists, apt has nothing to fall back on.
    blocked = on_each("rm -rf /var/lib/apt/lists/*; apt-get update >/dev/null 2>&1; echo $?")
    assert "0" not in blocked.values(), blocked
    on_each("rm -rf /var/lib/apt/lists/*; touch -d @0 /var/lib/apt/lists")
    status, output, _ = play(
        "--tags",
        "prerequisites",
        "-e",
        "prerequisites_cache_valid_time=0",
        **aging,
        nginx_signing_key_url=str(KEYS / "renewed.key"),
    )
    assert status == 0, output
    assert play("--tags", "nginx")[0] == 0


def test_another_server_on_port_80_is_named_and_nothing_changes():
    host = HOSTS[0]
    on(host, "systemctl stop nginx; systemd-run --quiet --unit other-server python3 -m http.server 80")
    try:
        on(host, "for i in $(seq 50); do ss -nlt 'sport = 80' | grep -q LISTEN && break; sleep 0.1; done")
        status, output, changes = play("--limit", host)
        output = " ".join(output.split())
        assert status != 0
        assert "port 80 is held by python3 (process" in output
        assert changes[host] == "0"
    finally:
        on(host, "systemctl stop other-server; systemctl start nginx")


def test_check_mode_tells_the_repository():
    status, output, changes = play("--check", "--diff", "--tags", "nginx", nginx_channel="mainline")
    assert status == 0, output
    assert "+URIs: http://nginx.org/packages/mainline/debian" in output
    assert "0" not in changes.values()
