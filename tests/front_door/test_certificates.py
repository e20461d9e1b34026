"""Certificates of an authority that asks every name: issued, renewed, replaced under load, and what happens when they are not."""

import json
import re
import shlex

import pytest
from conftest import AUTHORITY, HOSTS, apps, ask, deploy, each_host, nothing_lost, on, play, refused, replaced, serial

ISSUER = "Pebble Intermediate CA"
DEAD = "https://acme.door.test:14001/dir"  # nobody listens there


def shop(host):
    """The app's name on a host."""
    return f"shop.{host}.test"


@pytest.fixture
def due():
    """Make certbot renew an app's certificate at its next run, by the setting it has for that; put back afterwards."""
    changed = []

    def due(host, app):
        changed.append((host, app))
        on(host, f"sed -i '1i renew_before_expiry = 10 years' /etc/letsencrypt/renewal/emperor-{app}.conf")

    yield due
    for host, app in changed:
        on(host, f"sed -i '/^renew_before_expiry = 10 years/d' /etc/letsencrypt/renewal/emperor-{app}.conf")


@each_host
@pytest.mark.parametrize("name", ["shop", "www.shop", "hello"])
def test_a_site_has_the_authoritys_certificate_for_each_of_its_names(host, authority, name):
    answer = ask(host, f"https://{name}.{host}.test/", "--cacert", authority, verify=True)
    assert (answer.curl, answer.status in (200, 308)) == (0, True), answer
    assert ISSUER in serial(host, f"{name}.{host}.test")


@each_host
def test_keys_are_roots_alone_and_stand_in_no_log(host):
    modes = on(host, "find /etc/nginx/certificates -type d -printf '%U %m\\n' -o -type f -printf '%U %m\\n' | sort -u")
    assert modes.split("\n")[:-1] == ["0 600", "0 700"]
    middle = on(host, "sed -n '/BEGIN.*PRIVATE KEY/{n;p}' /etc/nginx/certificates/shop/combined.pem").strip()
    assert len(middle) > 40
    assert on(host, f"journalctl --no-pager | grep -cF {shlex.quote(middle)}; true").strip() == "0"


@each_host
def test_one_timer_renews(host):
    timers = on(host, "systemctl list-timers --all --no-legend; ls /etc/cron.d")
    assert re.findall(r"(\S*certbot\S*\.timer)", timers) == ["certbot.timer"]
    assert on(host, "systemctl is-enabled certbot.timer").strip() == "enabled"


def test_certificates_are_renewed_under_load(due):
    before = {host: serial(host, shop(host)) for host in HOSTS}
    for host in HOSTS:
        due(host, "shop")
    with nothing_lost():
        for host in HOSTS:
            on(host, "systemctl start certbot.service")
        for host in HOSTS:
            assert ISSUER in replaced(host, shop(host), before[host])


@each_host
def test_a_failed_renewal_is_a_failed_unit_and_keeps_no_other_from_being_renewed(host, due):
    settings = "/etc/letsencrypt/renewal/emperor-hello.conf"
    before = {app: serial(host, f"{app}.{host}.test") for app in ("shop", "hello")}
    for app in before:
        due(host, app)
    on(host, f"sed -i 's/:14000/:14001/' {settings}")
    try:
        on(host, "systemctl start certbot.service", check=False)
        assert on(host, "systemctl is-failed certbot.service").strip() == "failed"
        assert ISSUER in replaced(host, shop(host), before["shop"])
        assert serial(host, f"hello.{host}.test") == before["hello"]
        assert "emperor-hello" in on(host, "journalctl --unit certbot.service --no-pager")
    finally:
        on(host, f"sed -i 's/:14001/:14000/' {settings}; systemctl reset-failed certbot.service")


@each_host
def test_a_certificate_that_nginx_refuses_is_put_back_and_the_unit_fails(host):
    live, settings = "/etc/letsencrypt/live/emperor-hello", "/etc/letsencrypt/renewal/emperor-hello.conf"
    before = serial(host, f"hello.{host}.test")
    on(host, f"sed -i '/^.renewalparams/a autorenew = False' {settings}")  # certbot would mend it
    on(
        host,
        f"cp -L {live}/privkey.pem /root/right.pem && cp -L /etc/letsencrypt/live/emperor-shop/privkey.pem {live}/privkey.pem",
    )
    try:
        on(host, "systemctl start certbot.service", check=False)
        assert on(host, "systemctl is-failed certbot.service").strip() == "failed"
        assert "app 'hello': it keeps the certificate it had" in on(
            host, "journalctl --unit certbot.service --no-pager"
        )
        on(host, "nginx -t -q && systemctl restart nginx")
        assert serial(host, f"hello.{host}.test") == before
    finally:
        on(
            host,
            f"cp /root/right.pem {live}/privkey.pem; sed -i '/^autorenew/d' {settings}; systemctl reset-failed certbot.service",
        )


def test_an_unreachable_authority_leaves_the_certificate_and_the_run_says_until_when():
    before = {host: serial(host, shop(host)) for host in HOSTS}
    run = refused(
        f"app 'shop': {DEAD} issued no certificate for shop.emperor-door-1.test, www.shop.emperor-door-1.test",
        "The authority cannot be reached from this host; correct nginx_acme_directory",
        "The app serves on with the certificate it has, until ",
        nginx_acme_directory=DEAD,
    )
    end = on(HOSTS[0], "openssl x509 -in /etc/nginx/certificates/shop/combined.pem -noout -enddate -dateopt iso_8601")
    assert f"until {end.strip().removeprefix('notAfter=')[:16]} UTC." in run.said
    assert {host: serial(host, shop(host)) for host in HOSTS} == before
    assert [ask(host, f"https://{shop(host)}/").body for host in HOSTS] == ["shop 1", "shop 1"]


def test_a_name_that_leads_elsewhere_is_named_and_the_certificate_stays():
    before = serial(HOSTS[0], shop(HOSTS[0]))
    names = [shop(HOSTS[0]), "elsewhere.door.test"]
    refused(
        "issued no certificate for shop.emperor-door-1.test, elsewhere.door.test: elsewhere.door.test: ",
        "make sure that each of them leads to this host",
        hosts=HOSTS[:1],
        flask_apps=apps(shop={"server_names": names}),
    )
    assert serial(HOSTS[0], shop(HOSTS[0])) == before
    deploy(hosts=HOSTS[:1])


def test_another_name_brings_another_certificate_under_load():
    names = ["shop.{{ inventory_hostname }}.test", "new.shop.{{ inventory_hostname }}.test"]
    before = {host: serial(host, shop(host)) for host in HOSTS}
    with nothing_lost():
        deploy(flask_apps=apps(shop={"server_names": names}))
    for host in HOSTS:
        replaced(host, shop(host), before[host])
        text = on(host, "openssl x509 -in /etc/nginx/certificates/shop/combined.pem -noout -ext subjectAltName")
        assert set(re.findall(r"DNS:([^\s,]+)", text)) == {shop(host), f"new.shop.{host}.test"}


def test_a_certificate_that_certbot_has_lost_is_ordered_anew_under_its_own_name():
    host = HOSTS[0]
    before = serial(host, shop(host))
    on(host, "rm -r /etc/letsencrypt/live/emperor-shop")
    deploy(hosts=HOSTS[:1])
    replaced(host, shop(host), before)
    assert on(host, "ls /etc/letsencrypt/renewal").split() == ["emperor-hello.conf", "emperor-shop.conf"]
    assert set(deploy(hosts=HOSTS[:1]).changed.values()) == {"0"}


def test_renewals_and_refused_handshakes_last_as_long_as_a_site_may_need_them():
    host = HOSTS[0]
    plain = {name: {"tls": {"mode": "none"}, "canonical_host": ""} for name in ("shop", "hello", "echo", "gallery")}
    run = play("site", "--tags", "nginx", hosts=HOSTS[:1], flask_apps=apps(**plain))
    assert run.status == 0, run.output
    assert ask(host, f"https://{shop(host)}/").status == 200
    assert ask(host, "https://nobody.test/").curl == 35
    on(host, "test -x /usr/local/lib/emperor-flask/take-certificates")
    deploy(hosts=HOSTS[:1])


def test_a_first_certificate_is_issued_under_load_and_a_last_one_is_forgotten():
    deploy(flask_apps=apps(shop={"tls": {"mode": "self_signed"}}))
    for host in HOSTS:
        assert "emperor.flask self-signed" in serial(host, shop(host))
        assert on(host, "ls /etc/letsencrypt/renewal").split() == ["emperor-hello.conf"]
        assert on(host, "ls /etc/nginx/certificates/shop").split() == ["combined.pem"]
    with nothing_lost():
        deploy()
    for host in HOSTS:
        assert ISSUER in serial(host, shop(host))
    run = deploy()
    assert set(run.changed.values()) == {"0"}, run.output


def test_the_authority_has_really_asked():
    log = on(AUTHORITY, "journalctl --unit pebble --no-pager")
    asked = re.findall(r"Attempting to validate w/ HTTP: http://(\S+?):?8?0?/\.well-known", log)
    assert {shop(host) for host in HOSTS} <= set(asked), json.dumps(asked)
