"""The files for hosts behind a company's walls, rendered for Debian and Ubuntu."""

import netrc

import pytest
from render import render

DEBIAN = {"distribution": "Debian", "codename": "trixie"}
UBUNTU = {"distribution": "Ubuntu", "codename": "noble"}
SECRET = {"prerequisites_apt_mirror": "https://me%40corp:p%2B%40ss@mirror.example.com:8443/debian/"}


def entries(text):
    """The paragraphs of a deb822 file, as dictionaries."""
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [dict(line.split(": ", 1) for line in part.split("\n") if line) for part in bare.strip().split("\n\n")]


@pytest.mark.parametrize(
    ("host", "mirror", "security", "uris", "suites"),
    [
        (
            DEBIAN,
            "https://m/debian/",
            "",
            ["https://m/debian", "https://m/debian-security"],
            ["trixie trixie-updates", "trixie-security"],
        ),
        (
            DEBIAN,
            "https://m/deb",
            "https://m/sec",
            ["https://m/deb", "https://m/sec"],
            ["trixie trixie-updates", "trixie-security"],
        ),
        (
            UBUNTU,
            "https://m/ubuntu",
            "",
            ["https://m/ubuntu", "https://m/ubuntu"],
            ["noble noble-updates", "noble-security"],
        ),
    ],
    ids=["Debian", "a security mirror elsewhere", "Ubuntu"],
)
def test_sources_are_the_distributions_suites_at_the_mirror(host, mirror, security, uris, suites):
    text = render(
        "prerequisites",
        "apt.sources.j2",
        host=host,
        prerequisites_apt_mirror=mirror,
        prerequisites_apt_security_mirror=security,
    )
    archive, updates = entries(text)
    assert [archive["URIs"], updates["URIs"]] == uris
    assert [archive["Suites"], updates["Suites"]] == suites
    assert archive["Signed-By"] == f"/usr/share/keyrings/{host['distribution'].lower()}-archive-keyring.gpg"


def test_a_mirrors_credentials_stand_in_a_file_of_their_own():
    assert "p%2B" not in render("prerequisites", "apt.sources.j2", host=DEBIAN, **SECRET)
    assert render("prerequisites", "apt_auth.conf.j2", host=DEBIAN, **SECRET).splitlines() == [
        f"machine https://mirror.example.com:8443/{path} login me@corp password p+@ss"
        for path in ("debian", "debian-security")
    ]


def test_pip_gets_an_indexs_credentials_as_netrc(tmp_path):
    indexes = {
        "prerequisites_package_index": "https://me%40corp:p%2B%40ss@pypi.example.com/simple",
        "prerequisites_extra_package_index": "https://own.example.com/simple",
    }
    text = render("prerequisites", "pip.conf.j2", **indexes)
    assert "index-url = https://pypi.example.com/simple\nextra-index-url = https://own.example.com/simple\n" in text
    assert "cert" not in text
    (tmp_path / "netrc").write_text(render("prerequisites", "netrc.j2", **indexes))
    (tmp_path / "netrc").chmod(0o600)
    read = netrc.netrc(str(tmp_path / "netrc"))
    assert read.hosts == {"pypi.example.com": ("me@corp", "", "p+@ss")}


def test_hosts_inside_the_walls_are_reached_without_the_proxy():
    inside = {
        "prerequisites_proxy": "http://proxy:3128",
        "prerequisites_no_proxy": ["pypi.example.com", "mirror.example.com"],
    }
    assert "no_proxy=pypi.example.com,mirror.example.com\n" in render("prerequisites", "proxy.j2", **inside)
    text = render("prerequisites", "apt.conf.j2", **inside)
    assert 'Acquire::https::Proxy "http://proxy:3128";' in text
    assert 'Acquire::https::Proxy::mirror.example.com "DIRECT";' in text
    assert "Proxy" not in render("prerequisites", "apt.conf.j2")
