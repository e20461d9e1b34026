"""What Flask believes of a request, in four combinations: plain, over TLS, behind a trusted proxy, behind one that is none."""

import json

import pytest
from conftest import PROXY, ask, each_host, on

CLAIMS = {
    "X-Forwarded-For": "203.0.113.6",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "public.test",
    "X-Forwarded-Port": "443",
    "X-Request-ID": "from-the-proxy",
}
CLAIM = [part for name, value in CLAIMS.items() for part in ("--header", f"{name}: {value}")]
VIEWS = {"plain": "/", "ProxyFix": "/proxied/"}

# scheme of the URL, options; what Flask believes: scheme, host, address
COMBINATIONS = {
    "plain": ("http", [], ("http", "echo.test", "127.0.0.1")),
    "TLS": ("https", [], ("https", "echo.test", "127.0.0.1")),
    "trusted proxy": ("http", [*PROXY, *CLAIM], ("https", "public.test", "203.0.113.6")),
    "trusted proxy over TLS": ("https", [*PROXY, *CLAIM], ("https", "public.test", "203.0.113.6")),
    "untrusted proxy": ("http", CLAIM, ("http", "echo.test", "127.0.0.1")),
    "untrusted proxy over TLS": ("https", CLAIM, ("https", "echo.test", "127.0.0.1")),
}


@each_host
@pytest.mark.parametrize("path", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize(("scheme", "options", "expected"), COMBINATIONS.values(), ids=COMBINATIONS)
def test_flask_believes_what_is_right(host, path, scheme, options, expected):
    answer = ask(host, f"{scheme}://echo.test{path}", *options)
    assert answer.status == 200
    seen = answer.json()
    right, name, address = expected
    assert (seen["scheme"], seen["host"], seen["remote_addr"]) == expected
    assert seen["is_secure"] == (right == "https")
    assert seen["external"] == f"{right}://{name}{path}environment"
    assert seen["access_route"] == [address]
    if name == "echo.test":
        assert "public.test" not in json.dumps(seen)


@each_host
def test_of_several_addresses_the_last_that_is_no_trusted_proxys_counts(host):
    chain = ["--header", "X-Forwarded-For: 192.0.2.66, 203.0.113.6, 127.0.0.2"]
    assert ask(host, "http://echo.test/", *PROXY, *chain).json()["remote_addr"] == "203.0.113.6"


@each_host
@pytest.mark.parametrize(
    "options", [[], CLAIM, [*PROXY, *CLAIM]], ids=["nobody", "an untrusted proxy", "a trusted proxy"]
)
def test_one_number_of_a_request_reaches_app_answer_and_log(host, options):
    answer = ask(host, "https://echo.test/", *options)
    number = answer.headers["x-request-id"]
    assert answer.json()["headers"]["X-Request-Id"] == number
    assert (number == "from-the-proxy") == (options[:2] == [*PROXY])
    assert on(host, f'grep -cF \'"request_id":"{number}"\' /var/log/nginx/access.log').strip() != "0"


@each_host
def test_a_request_that_a_trusted_proxy_took_over_tls_is_not_redirected(host):
    url = f"http://shop.{host}.test/"
    forwarded = ["--header", "X-Forwarded-Proto: https"]
    assert ask(host, url, *PROXY, *forwarded).body == "shop 1"
    assert ask(host, url, *forwarded).status == 308
