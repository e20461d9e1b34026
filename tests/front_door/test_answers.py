"""Who is answered, where a request belongs, and what every answer carries: asked with curl."""

import pytest
from conftest import HOSTS, ask, each_host, on


@each_host
@pytest.mark.parametrize("path", ["/", "/a%20b?c=%2F&d=1"])
def test_plain_http_and_other_names_lead_to_the_canonical_name_over_tls_with_path_and_method(host, path):
    right = f"https://shop.{host}.test{path}"
    for url in (f"http://shop.{host}.test", f"http://www.shop.{host}.test", f"https://www.shop.{host}.test"):
        answer = ask(host, url + path, "--request", "POST", "--data", "a=1")
        assert (answer.status, answer.headers.get("location")) == (308, right), url
    # absolute_redirect is off: curl shows what a client makes of it
    assert ask(host, f"https://shop.{host}.test/").status == 200


@each_host
def test_browsers_are_told_to_stay_on_tls_over_tls_alone_and_only_where_asked(host):
    assert ask(host, f"https://shop.{host}.test/").headers["strict-transport-security"] == "max-age=63072000"
    assert "strict-transport-security" not in ask(host, f"http://shop.{host}.test/").headers
    assert "strict-transport-security" not in ask(host, "https://gallery.test/").headers


@each_host
def test_an_app_can_be_served_over_both(host):
    assert [ask(host, f"{scheme}://echo.test/").status for scheme in ("http", "https")] == [200, 200]


@each_host
def test_an_unknown_host_gets_no_answer_and_no_handshake(host):
    assert ask(host, "http://nobody.test/").status == 0
    unknown = ask(host, "https://nobody.test/")
    assert (unknown.status, unknown.curl) == (0, 35)  # CURLE_SSL_CONNECT_ERROR
    # begins TLS with one name and asks for another
    assert ask(host, f"https://shop.{host}.test/", "--header", "Host: nobody.test").status == 0


@each_host
def test_a_load_balancer_is_answered_by_address(host):
    answer = ask(host, "http://127.0.0.1/healthz")
    assert (answer.status, answer.body.strip()) == (200, "ok")


@each_host
def test_http_2_and_1_1_are_spoken(host):
    url = f"https://shop.{host}.test/"
    assert ask(host, url, "--http2").http == "2"
    assert ask(host, url, "--http1.1").http == "1.1"


DEFAULTS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
}


@each_host
def test_security_headers_are_the_defaults_the_apps_or_the_users(host):
    for url, expected in {
        f"https://shop.{host}.test/": DEFAULTS,
        f"https://shop.{host}.test/nothing-there": DEFAULTS,
        "https://gallery.test/": {**DEFAULTS, "referrer-policy": None, "permissions-policy": "camera=()"},
        "https://gallery.test/own-headers": {"x-frame-options": "DENY", "permissions-policy": "camera=(self)"},
        "https://gallery.test/static/style.css": {
            "x-content-type-options": "nosniff",
            "permissions-policy": "camera=()",
        },
    }.items():
        headers = ask(host, url).headers
        assert {name: headers.get(name) for name in expected} == expected, url


@each_host
def test_nothing_says_which_nginx_and_nothing_of_ours_leaks(host):
    headers = ask(host, f"https://shop.{host}.test/").headers
    assert headers["server"] == "nginx"
    assert "x-emperor-release" not in headers


def test_a_site_that_redirects_answers_the_authority_on_port_80():
    host = HOSTS[0]
    folder = "/var/lib/emperor-flask/acme/.well-known/acme-challenge"
    on(host, f"mkdir -p {folder} && echo token >{folder}/probe")
    try:
        for name in ("shop", "www.shop", "hello"):
            answer = ask(host, f"http://{name}.{host}.test/.well-known/acme-challenge/probe")
            assert (answer.status, answer.body.strip()) == (200, "token")
    finally:
        on(host, f"rm {folder}/probe")
