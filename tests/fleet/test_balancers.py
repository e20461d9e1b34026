"""The balancers themselves: what clients and apps see through them, TLS, an address that two share, and what is refused."""

import ipaddress
import json
import subprocess
from pathlib import Path

import pytest
from certificates import leaf
from conftest import AUTHORITY, BALANCERS, FIRST, FOURTH, OVER_TLS, RATE, SERVERS, assert_level, takes
from plays import CHECKOUT, FLEET, INVENTORY, App, load, nothing_lost, on, until
from ssh_hosts import FOLDER, address

OTHER = BALANCERS[1]
NAME = "echo.fleet.test"  # Docker's DNS has both balancers for it


def typed(playbook, **variables):
    """Run a playbook of the examples."""
    extra = [part for name, value in variables.items() for part in ("-e", f"{name}={value}")]
    argv = ["ansible-playbook", "-i", INVENTORY, str(CHECKOUT / "examples" / playbook), *extra]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_one_server_becomes_a_fleet_and_serves_until_the_others_do(shop):
    assert shop.moving == {"first": "shop 0", "takes": [False, False], "balanced": ["shop 0"] * 2}
    assert takes(FIRST) == [True, True]
    assert [on(balancer, OVER_TLS) for balancer in BALANCERS] == ["shop 0"] * 2


@pytest.fixture(scope="module")
def shared():
    """An address that both balancers share, far from those that Docker gives."""
    mine = ipaddress.ip_interface(on(BALANCERS[0], "ip -o -4 addr show scope global").split()[3])
    wanted = str(mine.network.broadcast_address - 5)
    typed("keepalived.yml", address=f"{wanted}/{mine.network.prefixlen}", interface="eth0")
    until(lambda: wanted in on(BALANCERS[0], "hostname -I"))
    yield wanted
    for balancer in BALANCERS:
        on(balancer, "systemctl stop keepalived")


def test_a_balancer_that_goes_away_is_replaced_by_the_other(shop, shared):
    with load([FOURTH], 60, shared) as counted:
        subprocess.run(["docker", "kill", BALANCERS[0]], check=True)
        until(lambda: shared in on(OTHER, "hostname -I"))
        on(FOURTH, f"curl -s -m 20 --retry 5 --retry-all-errors -H 'Host: shop.test' {shared}")
    subprocess.run(["docker", "start", BALANCERS[0]], check=True)
    until(lambda: shared in on(BALANCERS[0], "hostname -I"))
    assert_level()
    (seen,) = counted
    print(seen.failed)
    assert seen.versions and len(seen.failed) <= 16, seen  # each of its connections had one request in hand


def test_a_balancer_whose_nginx_is_stopped_gives_the_address_away(shop, shared):
    on(BALANCERS[0], "systemctl stop nginx")
    until(lambda: shared in on(OTHER, "hostname -I") and shared not in on(BALANCERS[0], "hostname -I"))
    told = shop.play("doctor")
    assert told.status != 0 and "[balancer]" in told.output, told.output
    on(BALANCERS[0], "systemctl start nginx")
    until(lambda: shared in on(BALANCERS[0], "hostname -I"))


@pytest.fixture(scope="module")
def authority():
    """An ACME server, which asks whichever balancer Docker's DNS names; the CA of its own certificate."""
    folder = CHECKOUT / "molecule/front_door/authority"
    for name, place in (
        ("certificate.sh", "/root/certificate.sh"),
        ("pebble.json", "/etc/pebble/pebble.json"),
        ("pebble.service", "/etc/systemd/system/pebble.service"),
    ):
        on(AUTHORITY, f"mkdir -p {Path(place).parent}")
        subprocess.run(["docker", "cp", str(folder / name), f"{AUTHORITY}:{place}"], check=True, capture_output=True)
    on(
        AUTHORITY,
        "[ -e /etc/pebble/server.crt ] || sh /root/certificate.sh /etc/pebble acme.fleet.test; systemctl daemon-reload && systemctl start pebble",
    )
    ca = FOLDER / "ca.crt"
    ca.write_text(on(AUTHORITY, "cat /etc/pebble/ca.crt"))
    return ca


@pytest.fixture(scope="module")
def acme(authority):
    """The variables that say which authority it is."""
    return {"nginx_acme_directory": "https://acme.fleet.test:14000/dir", "nginx_acme_ca": authority}


@pytest.fixture(scope="module")
def echo(installed, tmp_path_factory, acme):
    """An app that says what it sees, over TLS beside the shop; gone afterwards."""
    folder = tmp_path_factory.mktemp("echo") / "echo"
    app = App("echo", folder, FLEET, server_names=[NAME], secrets={"ECHO_SECRET": "any"}, processes=1, threads=2)
    app.entry["tls"] = {"mode": "acme"}
    # Nobody finds the name of the other one, so the authority refuses it; that keeps this one's certificate from no balancer.
    unknown = {**app.entry, "name": "unknown", "server_names": ["unknown.fleet.test"]}
    app.others = [installed.entry, unknown]
    run = app.refused("app 'unknown'", playbook="site", **acme)
    assert len({*map(" ".join, map(served, BALANCERS))}) == 1 and "Pebble" in served(OTHER)[1], run.output
    app.others = [installed.entry, {"name": "unknown", "state": "absent", "keep_shared": False}]
    run = app.play("site", **acme)
    assert run.status == 0, run.output
    app.others = [installed.entry]
    yield app
    app.entry["tls"] = {"mode": "none"}
    run = app.play("site")
    assert run.status == 0, run.output
    _nothing_is_kept()
    assert app.play("site").changed == [0] * 5
    app.entry = {"name": "echo", "state": "absent"}
    run = app.play("site")
    assert run.status == 0, run.output


def _nothing_is_kept(but=""):
    """No balancer has a certificate of the app's any more, ``but`` in a folder, nor what one does for another."""
    places = {"/etc/nginx/certificates", "/etc/letsencrypt/renewal", "/var/lib/emperor-flask/shared-certificates"}
    for balancer in BALANCERS:
        assert on(balancer, f"find {' '.join(places - {but})} -name '*echo*'", check=False) == ""
        assert on(balancer, "ls /etc/systemd/system | grep emperor-certificates", check=False) == ""
        assert on(balancer, "ls -d /etc/emperor-flask/balancer /var/lib/emperor-flask/sealed", check=False) == ""


def served(balancer):
    """The fingerprint of the certificate that a balancer shows for the name, and who issued it."""
    said = on(
        balancer,
        f"openssl s_client -connect localhost:443 -servername {NAME} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -issuer",
    )
    return said.splitlines()


def test_all_balancers_show_the_certificate_that_one_has_ordered(echo):
    first, second = map(served, BALANCERS)
    assert first == second and "Pebble" in first[1]
    assert on(OTHER, "ls /etc/letsencrypt", check=False) == ""
    at = f"--resolve {NAME}:443:{address(OTHER)} https://{NAME}/"
    seen = json.loads(on(FOURTH, f"curl -sk {at} -H 'X-Forwarded-For: 192.0.2.1' -H 'X-Request-ID: mine'"))
    assert (seen["url"], seen["remote_addr"]) == (f"https://{NAME}/", address(FOURTH))
    assert "mine" not in seen["headers"].values()
    assert on(SERVERS[1], "ss -Htln 'sport = :443'") == ""
    moved = on(
        FOURTH,
        f"curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' --resolve {NAME}:80:{address(OTHER)} http://{NAME}/",
    )
    assert moved == f"308 https://{NAME}/"


def renew():
    """Let the first balancer's certbot renew now, and return when it shows another certificate."""
    before = served(BALANCERS[0])
    due = "1i renew_before_expiry = 10 years"
    on(BALANCERS[0], f"sed -i '{due}' /etc/letsencrypt/renewal/emperor-echo.conf && systemctl start certbot")
    until(lambda: served(BALANCERS[0]) != before)
    on(BALANCERS[0], "sed -i '/^renew_before_expiry = 10 years/d' /etc/letsencrypt/renewal/emperor-echo.conf")


FETCH = "systemctl start emperor-certificates"  # what its timer does twice a day


def test_what_is_renewed_reaches_the_other_balancers_without_a_run(echo, acme):
    assert on(OTHER, "systemctl is-active emperor-certificates.timer certbot.timer", check=False).split()[0] == "active"
    with nothing_lost(BALANCERS, RATE):
        renew()
        differs = echo.play("status", **acme)
        assert differs.status != 0 and "[certificates-differ]" in differs.output, differs.output
        on(OTHER, FETCH)
        until(lambda: served(OTHER) == served(BALANCERS[0]))
    assert_level()
    # A certificate that the authority issues for a day is a finding, but not that two differ.
    assert "[certificates-differ]" not in echo.play("doctor", **acme).output
    assert echo.play("site", **acme).changed == [0] * 5


def test_a_first_balancer_that_hands_nothing_out_is_an_alarm_and_the_next_run_makes_up_for_it(echo, acme):
    renew()
    sealed = f"http://{address(BALANCERS[0])}:8402/certificates/{OTHER}.cms"
    assert on(FIRST, f"curl -s -o /dev/null -w '%{{http_code}}' {sealed}") == "403", "a server is none of them"
    on(BALANCERS[0], "mv /var/lib/emperor-flask/sealed /var/lib/emperor-flask/hidden")
    on(OTHER, FETCH, check=False)
    assert on(OTHER, "systemctl is-failed emperor-certificates") == "failed\n"
    assert f"certificates do not arrive from {sealed}: HTTP Error 404" in on(
        OTHER, "journalctl -u emperor-certificates"
    )
    assert "[renewal]" in echo.play("status", **acme).output
    on(BALANCERS[0], "mv /var/lib/emperor-flask/hidden /var/lib/emperor-flask/sealed")
    with nothing_lost(BALANCERS, RATE):
        assert echo.play("deploy", **acme).status == 0
    until(lambda: served(OTHER) == served(BALANCERS[0]))
    assert_level()
    on(OTHER, FETCH)


def test_a_certificate_of_yours_is_shown_by_all_and_so_is_an_authoritys_after_it(echo, acme, tmp_path):
    ordered, made = echo.entry["tls"], leaf([NAME])
    files = {"certificate": made.certificate, "key": made.key}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    echo.entry["tls"] = {"mode": "files", **{name: str(tmp_path / name) for name in files}}
    with nothing_lost(BALANCERS, RATE):
        assert echo.play("site").status == 0
        assert all("Test authority" in served(balancer)[1] for balancer in BALANCERS)
        _nothing_is_kept(but="/etc/nginx/certificates")
        echo.entry["tls"] = ordered
        assert echo.play("site", **acme).status == 0
    assert served(BALANCERS[0]) == served(OTHER) and "Pebble" in served(OTHER)[1]
    on(OTHER, FETCH)


HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen plain
    bind :80
    server one {0}:80 send-proxy-v2
    server two {1}:80 send-proxy-v2
listen tls
    bind :443
    server one {0}:443 send-proxy-v2
    server two {1}:443 send-proxy-v2
"""


@pytest.fixture(scope="module")
def in_front(echo, acme):
    """The address of a TCP load balancer that takes turns between both balancers, and speaks PROXY protocol to them, until the echo goes."""
    at = address(AUTHORITY)
    on(AUTHORITY, "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq haproxy >/dev/null 2>&1")
    configuration = HAPROXY.format(*map(address, BALANCERS))
    on(AUTHORITY, f"cat > /etc/haproxy/haproxy.cfg <<'END'\n{configuration}END\nsystemctl restart haproxy")
    spoken = {"nginx_proxy_protocol": True, "nginx_trusted_proxies": [at]}
    run = echo.play("site", "-e", json.dumps(spoken), **acme)
    assert run.status == 0, run.output
    yield at
    on(AUTHORITY, "systemctl stop haproxy")


def test_clients_have_their_own_address_behind_a_load_balancer_that_speaks_proxy_protocol(in_front):
    claims = "-H 'X-Forwarded-For: 192.0.2.1' -H 'X-Forwarded-Proto: http' -H 'X-Forwarded-Host: evil.test' -H 'X-Request-ID: mine'"
    for _turn in BALANCERS:
        seen = json.loads(on(FOURTH, f"curl -sk {claims} --resolve {NAME}:443:{in_front} https://{NAME}/"))
        assert (seen["url"], seen["remote_addr"]) == (f"https://{NAME}/", address(FOURTH))
        assert not {"mine", "192.0.2.1"} & set(seen["headers"].values())
    for balancer in BALANCERS:
        lines = on(balancer, f"""grep '"host":"{NAME}"' /var/log/nginx/access.log | tail -n 1""")
        assert json.loads(lines)["client"] == address(FOURTH)
        spoken = on(
            FOURTH, f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Host: {NAME}' {address(balancer)}", check=False
        )
        assert spoken == "000"


def test_an_authority_gets_its_answer_from_either_balancer_behind_proxy_protocol(in_front):
    folder = "/var/lib/emperor-flask/acme/.well-known/acme-challenge"
    on(BALANCERS[0], f"mkdir -p {folder} && echo answer > {folder}/token && chmod -R a+rX {folder}")
    asked = f"curl -s -H 'Host: {NAME}' http://{in_front}/.well-known/acme-challenge/token"
    assert [on(FOURTH, asked).strip() for _turn in BALANCERS] == ["answer"] * 2
    on(BALANCERS[0], f"rm {folder}/token")
