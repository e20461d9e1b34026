"""What is refused of the settings for hosts behind a company's walls, and that no credential is said."""

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import closed_network

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
RIGHT = {
    "prerequisites_package_index": "https://me%40corp:t0ken@pypi.example.com:8443/simple",
    "prerequisites_extra_package_index": "https://me%40corp:t0ken@pypi.example.com:8443/own/simple",
    "prerequisites_apt_mirror": "https://me:t0ken@mirror.example.com/debian",
    "prerequisites_proxy": "http://me:t0%20ken@proxy.example.com:3128",
    "prerequisites_no_proxy": ["pypi.example.com", "10.0.0.7"],
    "prerequisites_ca_certificate": PEM,
}


def test_nothing_is_wrong_with_what_is_right():
    assert list(closed_network.mistakes(RIGHT)) == []
    assert list(closed_network.mistakes({})) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        (
            "prerequisites_package_index",
            "t0ken.example.com/simple",
            ["prerequisites_package_index is not a URL", "https://host"],
        ),
        ("prerequisites_apt_mirror", "ftp://t0ken@mirror/debian", ["prerequisites_apt_mirror is not a URL"]),
        ("prerequisites_proxy", "http://t0ken@proxy:many", ["prerequisites_proxy is not a URL"]),
        ("prerequisites_proxy", 'http://t0ken"; @proxy', ["prerequisites_proxy has white space", "percent-encode"]),
        ("prerequisites_package_index", "https://me:t0%20ken@pypi/simple", ["white space", "netrc", "such as a token"]),
        (
            "prerequisites_extra_package_index",
            "https://you:t0ken@pypi.example.com/",
            ["both on pypi.example.com", "the same"],
        ),
        ("prerequisites_no_proxy", ["*.example.com"], ["has '*.example.com'", "without wildcard"]),
        ("prerequisites_ca_certificate", "/etc/t0ken.crt", ["not a certificate in PEM", "the file's content"]),
        ("prerequisites_ca_certificate", f"{PEM}-----BEGIN PRIVATE KEY-----t0ken", ["holds a private key"]),
    ],
)
def test_what_cannot_work_is_refused_without_a_credential(name, value, words):
    (said,) = closed_network.mistakes({**RIGHT, name: value})
    assert [word for word in words if word not in said] == []
    assert "t0" not in said


def test_a_security_mirror_alone_is_refused():
    (said,) = closed_network.mistakes(
        {"prerequisites_apt_security_mirror": "https://mirror.example.com/debian-security"}
    )
    assert "set both or none" in said
