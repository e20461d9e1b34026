"""Which trusted proxies are refused, and in which words."""

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import trusted_proxies


def test_addresses_and_networks_are_right():
    right = ["192.0.2.10", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32"]
    assert list(trusted_proxies.mistakes({"nginx_trusted_proxies": right})) == []
    assert list(trusted_proxies.mistakes({})) == []


@pytest.mark.parametrize(
    "wrong",
    ["proxy.example.com", "10.0.0.1/8", "10.0.0", "192.0.2.10:80", "unix:", "10.0.0.0/255.0.0.0", "fe80::1%eth0"],
)
def test_what_is_no_address_is_refused(wrong):
    (sentence,) = trusted_proxies.mistakes({"nginx_trusted_proxies": ["192.0.2.10", wrong]})
    assert f"nginx_trusted_proxies has '{wrong}', which is not an address" in sentence
    assert "write addresses or networks, such as 192.0.2.10 or 10.0.0.0/8" in sentence


def test_an_address_alone_is_no_list():
    (sentence,) = trusted_proxies.mistakes({"nginx_trusted_proxies": "10.0.0.0/8"})
    assert "nginx_trusted_proxies is '10.0.0.0/8'; write a list" in sentence


def test_proxy_protocol_needs_somebody_who_speaks_it_and_does_not_go_with_http3():
    given = {"nginx_proxy_protocol": True, "nginx_trusted_proxies": ["192.0.2.10"]}
    assert list(trusted_proxies.mistakes(given)) == []
    (nobody,) = trusted_proxies.mistakes({"nginx_proxy_protocol": "yes"})
    assert "nginx_proxy_protocol is true, but nginx_trusted_proxies is empty" in nobody
    (udp,) = trusted_proxies.mistakes({**given, "nginx_http3": True})
    assert "HTTP/3 knows no PROXY protocol; set one of them to false" in udp
