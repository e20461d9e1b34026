"""nginx's configuration, rendered for every nginx and every system, and tested by every nginx that can be had here."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.facts import host_facts
from ansible_collections.emperor.flask.plugins.module_utils.nginx.site import remedy
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import host_abilities
from nginx_config import (
    EVERYTHING,
    EXTRA,
    IMAGES,
    LOOK_ALIKES,
    balancer,
    configuration,
    directives,
    image_with_nginx,
    nginx_here,
    run_here,
    run_in_image,
    site,
)
from render import ROLES, render

NGINX = tuple(IMAGES)
SYSTEMS = {
    ("Ubuntu", "22.04"): "jammy",
    ("Ubuntu", "24.04"): "noble",
    ("Ubuntu", "26.04"): "resolute",
    ("Debian", "12"): "bookworm",
    ("Debian", "13"): "trixie",
}
HOSTS = {
    f"{distribution} {version} {'with' if ipv6 else 'without'} IPv6": {
        "distribution": distribution,
        "version": version,
        "codename": codename,
        "ipv6": ipv6,
        "nginx_group": "www-data",
        "open_files": 20000,
    }
    for ((distribution, version), codename), ipv6 in itertools.product(SYSTEMS.items(), (True, False))
}
HOST = HOSTS["Debian 13 with IPv6"]
OLD_OPENSSL = ("1.18", "1.22", "1.24")  # the distributions with these nginx have OpenSSL 3.0, the others 3.5
PROXIES = ["192.0.2.10", "10.0.0.0/8", "2001:db8::/32"]

# The directives in use, and the first version of those that are younger than anything still shipped (nginx's documentation).
OLD = """
access_log add_header allow auth_basic auth_request charset client_body_timeout client_header_timeout client_max_body_size default_type error_log error_page
events expires geo gzip gzip_static gzip_types gzip_vary http if include internal keepalive_timeout limit_conn
limit_conn_log_level limit_conn_status limit_conn_zone limit_req limit_req_log_level limit_req_status limit_req_zone
listen location log_format map open_file_cache open_file_cache_valid pid real_ip_header real_ip_recursive reset_timedout_connection return root
send_timeout sendfile server server_name server_names_hash_bucket_size server_names_hash_max_size server_tokens set
set_real_ip_from ssl_certificate ssl_certificate_key ssl_ciphers ssl_ecdh_curve ssl_prefer_server_ciphers
ssl_protocols ssl_session_cache ssl_session_tickets ssl_session_timeout tcp_nopush try_files types_hash_max_size user
uwsgi_connect_timeout uwsgi_hide_header uwsgi_next_upstream uwsgi_param uwsgi_pass uwsgi_read_timeout
uwsgi_send_timeout variables_hash_bucket_size variables_hash_max_size worker_connections worker_processes
worker_rlimit_nofile
"""
SINCE = dict.fromkeys(OLD.split(), "0") | {
    "absolute_redirect": "1.11.8",
    "http2": "1.25.1",
    "keepalive_min_timeout": "1.27.4",
    "ssl_reject_handshake": "1.19.4",
}

every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
with_and_without_greeting = pytest.mark.parametrize("greeting", [True, False], ids=["greeting", "no greeting"])


def number(version):
    """A version that can be compared."""
    return tuple(int(part) for part in version.split("."))


def test_idle_connections_outlive_a_reload_where_nginx_can_do_that():
    assert [version for version in NGINX if "keepalive_min_timeout 5s;" in _nginx_conf(version)] == ["1.28", "1.30"]
    unknown = {"__nginx_package": {"version": None}, "__nginx_input": {"host": HOST, "balancers": [], "fleet": []}}
    assert "keepalive_min_timeout" not in render("nginx", "nginx.conf.j2", **unknown)


def _nginx_conf(version, **facts):
    return configuration({**HOST, **facts}, version=version)["/etc/nginx/nginx.conf"]


@every_host
@with_and_without_greeting
@pytest.mark.parametrize("version", NGINX)
def test_no_directive_is_newer_than_the_nginx(host, greeting, version):
    files = configuration(host, version=version, greeting=greeting, tls=True, nginx_trusted_proxies=PROXIES)
    for path, text in files.items():
        for directive in directives(text) if not path.endswith(".pem") else ():
            assert number(SINCE[directive]) <= number(version), f"{path}: {directive}"


def distribution(version):
    """The image with that nginx, and what its host is like."""
    image = image_with_nginx(version)
    if image is None:
        pytest.skip(f"no Docker engine, or no image emperor-test/{IMAGES[version]}, for nginx {version}")
    return image, HOSTS["Debian 12 with IPv6"] if version in OLD_OPENSSL else HOST


@pytest.mark.parametrize("version", IMAGES)
def test_nginx_of_a_distribution_accepts_it(version):
    image, host = distribution(version)
    for ipv6, tls in itertools.product((True, False), repeat=2):
        # The greeting and an app on the default server exclude each other, and so do no proxies and some.
        more = {"greeting": ipv6, "tls": tls, "nginx_trusted_proxies": PROXIES if ipv6 else []}
        more["nginx_proxy_protocol"] = ipv6 and tls
        more["nginx_tls_profile"] = "modern" if ipv6 else "intermediate"
        result = run_in_image(image, configuration({**host, "ipv6": ipv6}, version=version, **more))
        assert result.returncode == 0, result.stderr
        assert f"nginx/{version}." in result.stderr
        assert "[warn]" not in result.stderr


@pytest.mark.parametrize("version", IMAGES)
def test_nginx_of_a_distribution_accepts_what_a_balancer_has(version):
    image, host = distribution(version)
    for spoken, place in itertools.product((True, False), ({"first": "10.0.0.2"}, {"others": ["10.0.0.3", "fd00::3"]})):
        more = {"nginx_proxy_protocol": spoken, "nginx_trusted_proxies": PROXIES, **place}
        result = run_in_image(image, balancer(host, version=version, **more))
        assert result.returncode == 0, result.stderr
        assert "[warn]" not in result.stderr


def test_a_server_says_which_balancers_its_nginx_was_told_of(tmp_path):
    conf = tmp_path / "nginx.conf"
    assert host_facts.balancers(str(conf)) == []
    for told in ([], ["lb1", "10.0.0.2", "fd00::3"]):
        asked = {"host": HOST, "balancers": told[1:], "fleet": told}
        known = {"__nginx_package": {"version": "1.26.3-1"}, "__nginx_input": asked}
        conf.write_text(render("nginx", "nginx.conf.j2", nginx_origin="distribution", **known))
        assert host_facts.balancers(str(conf)) == told


def test_the_first_balancer_answers_for_the_others_and_hands_certificates_to_them_alone():
    site = "/etc/nginx/conf.d/00_balancer.conf"
    assert "proxy_pass http://10.0.0.2:8402;" in balancer(HOST, first="10.0.0.2")[site]
    assert "8402" not in balancer(HOST)[site], "a single one"
    first = balancer(HOST, others=["10.0.0.3", "10.0.0.4"])[site]
    assert "listen 8402;" in first
    assert re.search(r"location /certificates/ {\s+allow 10\.0\.0\.3;\s+allow 10\.0\.0\.4;\s+deny all;", first)


@pytest.mark.parametrize("version", [version for version in IMAGES if number(version) >= (1, 26)])
def test_an_nginx_with_http3_accepts_it_and_another_one_is_refused_with_the_remedy(version):
    image, _host = distribution(version)
    files = configuration(HOST, version=version, tls=True, nginx_http3=True)
    result = run_in_image(image, files)
    assert result.returncode == 0 or "was built without HTTP/3" in remedy(result.stderr), result.stderr
    assert "[warn]" not in result.stderr


def test_http3_is_announced_by_sites_over_tls_alone_and_its_socket_is_opened_once():
    plain, tls = site(HOST, http3=True), site(HOST, http3=True, tls={"mode": "acme"})
    assert "quic" not in plain and "Alt-Svc" not in plain
    assert tls.count("listen 443 quic;") == tls.count("listen [::]:443 quic;") == tls.count("h3=") == 1
    assert "quic" not in site(HOST, tls={"mode": "acme"})
    default = configuration(HOST, tls=True, nginx_http3=True)["/etc/nginx/conf.d/00_default.conf"]
    assert default.count("quic reuseport;") == 2


def test_under_proxy_protocol_every_socket_speaks_it_and_no_header_counts():
    files = configuration(HOST, tls=True, nginx_trusted_proxies=PROXIES, nginx_proxy_protocol=True)
    sockets = [line for text in files.values() for line in re.findall(r"^ +listen (.+);$", text, re.MULTILINE)]
    assert len(sockets) > 8 and all("proxy_protocol" in socket for socket in sockets)
    main = files["/etc/nginx/nginx.conf"]
    assert "        default 0;\n    }" in main and "real_ip_header proxy_protocol;" in main
    assert main.count("set_real_ip_from") == len(PROXIES)
    behind = {"host": HOST, "tls": False, "balancers": ["10.0.0.2"], "fleet": ["lb1", "10.0.0.2"]}
    asked = {"nginx_proxy_protocol": True, "nginx_origin": "distribution", "__nginx_input": behind}
    package = {"__nginx_package": {"version": "1.26.0-1"}}
    assert "proxy_protocol" not in render("nginx", "00_default.conf.j2", **asked, **package)
    assert "        10.0.0.2 1;" in render("nginx", "nginx.conf.j2", **asked, **package)


@with_and_without_greeting
def test_nginx_of_this_machine_accepts_it(greeting, tmp_path):
    nginx = nginx_here()
    if nginx is None:
        pytest.skip("no nginx on this machine")
    result = run_here(nginx, configuration(HOSTS["Debian 12 with IPv6"], greeting=greeting, tls=True), tmp_path)
    assert result.returncode == 0, result.stderr


@every_host
def test_sites_listen_on_ipv6_where_the_host_has_it_and_leave_socket_options_to_the_default_server(host):
    files = configuration(host)
    for path, text in files.items():
        if "/conf.d/" in path:
            options = " backlog=1024" if path.endswith("/00_default.conf") else ""
            assert f"    listen 80{options};\n" in text
            assert (f"    listen [::]:80{options};\n" in text) == host["ipv6"]
            assert "default_server" not in text
    assert min(files, key=lambda path: ("/conf.d/" not in path, path)).endswith("/000_front.conf")


def test_queues_and_descriptors_fit_together():
    """What nginx, the apps and the kernel are given, and what is refused where a host has less."""
    default = configuration(HOST)["/etc/nginx/conf.d/00_default.conf"]
    assert {int(number) for number in re.findall(r"backlog=(\d+)", default)} == {host_abilities.QUEUE}
    assert f"listen = {host_abilities.QUEUE}\n" in (ROLES / "flask_app/templates/uwsgi.ini.j2").read_text()
    assert int(re.search(r"somaxconn = (\d+)", render("nginx", "sysctl.conf.j2"))[1]) >= host_abilities.QUEUE
    named = ("worker_rlimit_nofile", "worker_connections")
    for given, most in ((host_abilities.OPEN_FILES, host_abilities.OPEN_FILES), (2**20, 32768)):
        conf = _nginx_conf("1.18", open_files=given)
        assert [int(re.search(rf"{name} (\d+);", conf)[1]) for name in named] == [most, most // 2]
    assert host_abilities.QUEUE <= host_abilities.OPEN_FILES // 2


def test_the_site_of_an_app():
    assert site(HOST, harakiri=20, client_max_body_size="1g", nginx_extra=EXTRA) == SITE


def test_the_site_of_an_app_without_names_and_extras():
    text = site(HOST, server_names=[])
    assert "    server_name _;\n" in text
    assert "nginx_extra" not in text


def test_limits_stand_before_the_app_alone_and_only_where_they_are_asked_for():
    limited = site(HOST, rate_limit={"requests": 10, "burst": 0}, connection_limit=3, static={"/static": "s"})
    assert "limit_req_zone $binary_remote_addr zone=emperor_requests_shop:4m rate=10r/s;\n" in limited
    app = limited[limited.index("    location / {") : limited.index("    location ^~ /static/")]
    assert "        limit_req zone=emperor_requests_shop;\n        limit_req_status 429;\n" in app
    assert "        limit_conn emperor_connections_shop 3;\n        limit_conn_status 429;\n" in app
    assert limited.count("limit_req ") == limited.count("limit_conn ") == 1
    bursting = site(HOST, rate_limit={"requests": 10, "burst": 20})
    assert "limit_req zone=emperor_requests_shop burst=20 nodelay;\n" in bursting
    assert "limit_" not in site(HOST)


def test_limits_of_a_client_hold_beside_those_of_an_app_and_zero_is_none():
    limited = site(HOST, connection_limit=3)
    assert "        include /etc/nginx/emperor_limits*;\n        limit_conn emperor_connections_shop 3;\n" in limited
    lines = render("nginx", "emperor_limits.j2").splitlines()
    assert lines[2:] == ["limit_conn emperor_clients 256;", "limit_conn emperor_uploads 6;"]
    lines = render("nginx", "emperor_limits.j2", nginx_client_connections=0, nginx_client_uploads="0").splitlines()
    assert all(line.startswith("#") for line in lines)


def test_a_headers_value_is_said_as_it_was_written():
    text = site(HOST, security_headers={"X-Odd": 'a "quoted" \\ back', "X-XSS-Protection": 0})
    assert r'"" "a \"quoted\" \\ back";' in text
    assert '"" "0";' in text
    assert "add_header X-XSS-Protection $emperor_header2_shop always;" in text
    assert "X-Frame-Options" not in text


def test_no_two_apps_share_a_variable_or_a_zone():
    files = configuration(HOST)
    for pattern in (r"^map \S+ (\$emperor_header\S+)", r"zone=(\S+):4m"):
        found = [name for text in files.values() for name in re.findall(pattern, text, re.MULTILINE)]
        assert len(found) == len(set(found)) > len(LOOK_ALIKES)


def test_a_template_of_the_users_can_replace_or_extend_each_part(tmp_path):
    (tmp_path / "site.conf.j2").write_text(
        '{% extends "nginx.conf.j2" %}{% block pages %}{{ super() }}    # also\n{% endblock %}{% block static %}# none\n{% endblock %}'
    )
    own = site(HOST, template=str(tmp_path / "site.conf.j2"), **EVERYTHING)
    assert "    # also\n" in own and "location ^~ /static/" not in own
    assert "add_header X-Frame-Options $emperor_header1_shop always;" in own


def test_pages_stand_alone_and_say_what_happened():
    pages = {name: render("nginx", f"{name}.html.j2") for name in ("502", "503", "504", "507", "maintenance")}
    for text in pages.values():
        (title,) = re.findall(r"<title>(.+)</title>", text)
        assert f"<h1>{title}</h1>" in text
        assert not re.search(r"src=|href=|url\(|<script", text)
    assert len({re.search("<p>(.*)</p>", text)[1] for text in pages.values()}) == len(pages)
    assert "maintenance" in pages["maintenance"]


def test_a_closed_app_lets_an_authority_in_where_it_has_one_alone():
    gate = 'if ($uri ~ "^/{}/") {{\n        set $emperor_gate "";'
    assert gate.format("emperor_pages") in site(HOST, tls={"mode": "self_signed"})
    assert gate.format(r"(emperor_pages|\.well-known/acme-challenge)") in site(HOST, tls={"mode": "acme"})


def test_each_page_that_a_site_names_is_installed():
    tasks = (ROLES / "nginx/tasks/main.yml").read_text()
    named = {
        *re.findall(r"/emperor_pages/(\w+)\.html", site(HOST)),
        *re.findall(r"set \$emperor_503 (\w+);", site(HOST)),
    }
    assert named == {"502", "503", "504", "507", "maintenance"}
    for name in named:
        assert f"template: {name}.html.j2, path: /usr/local/share/emperor-flask/emperor_pages/{name}.html" in tasks


def test_every_line_of_the_log_is_json_with_app_and_release():
    """Whatever a client sends: nginx escapes texts, and numbers are numbers or null."""
    (text,) = re.findall(r"log_format emperor escape=json\n(.*?);\n", _nginx_conf("1.18"), re.DOTALL)
    line = "".join(re.findall(r"'(.*)'", text))
    numbers = {
        "$emperor_status": "200",
        "$body_bytes_sent": "12",
        "$request_time": "0.003",
        "$emperor_upstream_time": "null",
    }
    for variable, number in numbers.items():
        line = line.replace(f":{variable},", f":{number},")
    entry = json.loads(re.sub(r"\$\w+", "text", line))
    assert {key for key, value in entry.items() if value != "text"} == {
        "status",
        "bytes",
        "time_taken",
        "upstream_time",
    }
    assert {"time", "request_id", "traceparent", "app", "release", "client", "method", "host", "uri"} < entry.keys()


def test_static_files_are_looked_for_in_the_next_the_live_and_the_previous_release_and_in_a_candidate():
    text = site(HOST, static={"/static": "shop/static"})
    assert STATIC in text
    assert "location ^~ /static/" not in site(HOST)


@pytest.mark.parametrize(
    ("name", "has_digest"),
    [
        ("app.5d41402abc4b2a76b9719d911017c592.css", True),
        ("app-3f2a9c1b.js", True),
        ("app.css", False),
        ("report-20240101.pdf", False),
        ("effaced-defaced.txt", False),
        ("3f2a9c1b/app.css", False),
    ],
)
def test_only_a_name_with_a_digest_is_kept_without_asking(name, has_digest):
    (pattern,) = re.findall(r'"~(.*)" 1y;', _nginx_conf("1.18"))
    assert bool(re.search(pattern, f"/current/static/{name}")) == has_digest


def test_the_default_server_greets_only_if_asked_to():
    default = "/etc/nginx/conf.d/00_default.conf"
    assert "        return 444;\n" in configuration(HOST)[default]
    greeting = configuration(HOST, greeting=True)[default]
    assert "444" not in greeting
    assert "try_files /index.html =404;" in greeting


def test_port_443_has_a_default_server_where_an_app_is_served_over_tls():
    default = "/etc/nginx/conf.d/00_default.conf"
    assert "443" not in configuration(HOST)[default]
    texts = {version: configuration(HOST, version=version, tls=True)[default] for version in NGINX}
    assert [version for version in NGINX if "listen 443 ssl http2 backlog=1024;" in texts[version]] == list(OLD_OPENSSL)
    assert all("listen [::]:443 ssl" in text for text in texts.values())
    assert "443 ssl backlog=1024;" in texts["1.26"]
    assert [version for version in NGINX if "ssl_reject_handshake on;" not in texts[version]] == ["1.18"]
    assert "ssl_certificate /etc/nginx/certificates/default/combined.pem;" in texts["1.18"]


def test_tls_is_that_of_mozillas_profile():
    intermediate, modern = (
        configuration(HOST, version="1.26", nginx_tls_profile=profile)["/etc/nginx/nginx.conf"]
        for profile in ("intermediate", "modern")
    )
    assert "    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:" in intermediate
    assert "    ssl_protocols TLSv1.3;\n    ssl_prefer_server_ciphers off;\n" in modern
    assert "    ssl_ecdh_curve ?X25519MLKEM768:X25519:prime256v1:secp384r1;\n" in modern
    assert "    http2 on;\n" in modern
    old = configuration(HOSTS["Ubuntu 24.04 with IPv6"], version="1.24")["/etc/nginx/nginx.conf"]
    assert "    ssl_ecdh_curve X25519:prime256v1:secp384r1;\n" in old
    assert "http2" not in old


def test_nobody_is_trusted_unless_named():
    assert "set_real_ip_from" not in _nginx_conf("1.26")
    trusting = configuration(HOST, nginx_trusted_proxies=PROXIES)["/etc/nginx/nginx.conf"]
    for proxy in PROXIES:
        assert f"    set_real_ip_from {proxy};\n" in trusting
        assert f"        {proxy} 1;\n" in trusting


def test_the_site_of_an_app_over_tls():
    assert site(HOST, tls={"mode": "files", "hsts": 300}, canonical_host="shop.test", security_headers={}).startswith(
        TLS_SITE
    )


def test_a_site_redirects_where_it_is_asked_to():
    def redirects(**changes):
        return [line.strip() for line in site(HOST, **changes).splitlines() if "set $emperor_elsewhere" in line]

    assert redirects() == []
    assert redirects(tls={"mode": "files", "redirect": False}) == []
    assert redirects(tls={"mode": "files"})[1:] == ["set $emperor_elsewhere https://$emperor_host;"]
    assert redirects(canonical_host="shop.test")[1:] == [
        "set $emperor_elsewhere $emperor_scheme://shop.test$emperor_port;"
    ]
    assert redirects(tls={"mode": "acme"})[-1] == 'set $emperor_elsewhere "";'  # but for an authority's questions


def test_headers_that_make_claims_are_replaced_or_taken_away():
    parameters = configuration(HOST)["/etc/nginx/emperor_uwsgi_params"]
    stated = ("HOST", "X_FORWARDED_FOR", "X_FORWARDED_HOST", "X_FORWARDED_PROTO", "X_REAL_IP", "X_REQUEST_ID")
    for name in stated:
        assert f"uwsgi_param HTTP_{name} " in parameters
    for name in ("FORWARDED", "PROXY", "TRANSFER_ENCODING", "X_FORWARDED_PORT", "X_FORWARDED_PREFIX", "X_SCRIPT_NAME"):
        assert f'uwsgi_param HTTP_{name} "" if_not_empty;\n' in parameters
    assert "$http_" not in parameters


TLS_SITE = """\
# Managed by emperor.flask: the site of the app shop; changes made here are lost.

server {
    listen 80;
    listen [::]:80;
    listen 443 ssl;
    listen [::]:443 ssl;
    server_name shop.test www.shop.test;

    ssl_certificate /etc/nginx/certificates/shop/combined.pem;
    ssl_certificate_key /etc/nginx/certificates/shop/combined.pem;

    # Over plain HTTP browsers must not heed it (RFC 6797, 7.2). An app's own would be a second one.
    set $emperor_hsts "";
    if ($emperor_scheme = https) {
        set $emperor_hsts "max-age=300";
    }
    add_header Strict-Transport-Security $emperor_hsts always;
    uwsgi_hide_header Strict-Transport-Security;

    # Where the request belongs, if not here; 308 keeps its method and body.
    set $emperor_elsewhere "";
    if ($emperor_host !~* "^shop\\.test$") {
        set $emperor_elsewhere $emperor_scheme://shop.test$emperor_port;
    }
    if ($emperor_scheme = http) {
        set $emperor_elsewhere https://shop.test;
    }
    if ($emperor_elsewhere) {
        return 308 $emperor_elsewhere$request_uri;
    }

    set $emperor_app shop;
"""

STATIC = """
    location ^~ /static/ {
        # Those of the release before, too: pages that browsers still show ask for them. Those of a candidate: another server may have switched to it.
        root /var/www/shop/static;
        try_files /next$uri /current$uri /previous$uri /candidate$uri =404;
        # They are kept open, and looked at every second.
        open_file_cache max=200 inactive=20s;
        open_file_cache_valid 1s;
        gzip_static on;
        expires $emperor_static_expires;
    }
"""
SITE = """\
# Managed by emperor.flask: the site of the app shop; changes made here are lost.

map $upstream_http_x_frame_options $emperor_header1_shop {
    "" "SAMEORIGIN";
    default "";
}

server {
    listen 80;
    listen [::]:80;
    server_name shop.test www.shop.test;

    set $emperor_app shop;

    charset utf-8;
    client_max_body_size 1g;

    # While this file is there, nobody gets to the app.
    set $emperor_gate /var/www/shop/maintenance;
    set $emperor_503 503;
    if ($uri ~ "^/emperor_pages/") {
        set $emperor_gate "";
    }
    if (-f $emperor_gate) {
        set $emperor_503 maintenance;
        return 503;
    }

    # For every answer. The app's own security headers count in the place of these.
    add_header X-Request-ID $emperor_request_id always;
    add_header Retry-After $emperor_retry_after always;
    add_header X-Frame-Options $emperor_header1_shop always;
    uwsgi_hide_header X-Request-ID;
    # It is for the log.
    uwsgi_hide_header X-Emperor-Release;

    # What nginx says where the app says nothing; what the app itself says passes, whatever its status.
    # Its own 500 is a body that its disk has no room for.
    error_page 500 =507 /emperor_pages/507.html;
    error_page 502 /emperor_pages/502.html;
    error_page 503 /emperor_pages/$emperor_503.html;
    error_page 504 /emperor_pages/504.html;

    location ^~ /emperor_pages/ {
        internal;
        root /usr/local/share/emperor-flask;
    }

    # They hold for every location that has no uwsgi_param of its own.
    include /etc/nginx/emperor_uwsgi_params;
    # The vassal answers 403 to requests for another app.
    uwsgi_param EMPEROR_APP shop;
    uwsgi_connect_timeout 5s;
    # The app gives a request up first, so its log says which one.
    uwsgi_read_timeout 25s;
    uwsgi_send_timeout 25s;
    # No request is sent twice.
    uwsgi_next_upstream off;

    location / {
        uwsgi_pass unix:/var/www/shop/shop_uwsgi.sock;
    }

    # nginx_extra
    location = /robots.txt {
      return 204;
    }
}
"""
