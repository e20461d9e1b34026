"""Certificates of the controller, and bad input: one clear error, and everything serves on."""

import subprocess

import pytest
from conftest import HOSTS, apps, ask, deploy, refused, serial


def make(folder, name, days=30, names=("gallery.test",)):
    """A certificate and its key in a folder."""
    alternatives = ",".join(f"DNS:{one}" for one in names)
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            f"/CN={name}",
        ]
        + ["-days", str(days), "-addext", f"subjectAltName={alternatives}"]
        + ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A certificate that does, and one that does not."""
    folder = tmp_path_factory.mktemp("files")
    make(folder, "right")
    make(folder, "stranger", names=("stranger.test",))
    return folder


def gallery(**keys):
    """The apps, with these keys of gallery's."""
    return {"flask_apps": apps(gallery=keys)}


def with_files(files, certificate, key):
    """The app with these files."""
    return gallery(tls={"mode": "files", "certificate": str(files / certificate), "key": str(files / key)})


def test_a_certificate_of_the_controllers_is_served_until_it_is_no_longer_asked_for(files):
    with_these = with_files(files, "right.pem", "right.key")
    deploy(hosts=HOSTS[:1], **with_these)
    assert "issuer=CN = right" in serial(HOSTS[0], "gallery.test").replace("CN=", "CN = ")
    assert ask(HOSTS[0], "https://gallery.test/").status == 200
    assert set(deploy(hosts=HOSTS[:1], **with_these).changed.values()) == {"0"}
    deploy(hosts=HOSTS[:1])
    assert "emperor.flask self-signed" in serial(HOSTS[0], "gallery.test")


CASES = {
    "a key of another certificate": (
        lambda files: with_files(files, "right.pem", "stranger.key"),
        ["app 'gallery'", "stranger.key is not the key of tls.certificate", "name the two that belong together"],
    ),
    "a name that is not covered": (
        lambda files: with_files(files, "stranger.pem", "stranger.key"),
        ["app 'gallery'", "does not cover gallery.test of server_names; it covers stranger.test"],
    ),
    "static files outside of the code": (
        lambda files: gallery(static={"/static": "../../etc"}),
        ["app 'gallery'", "static names '../../etc' for /static; write a folder of the code"],
    ),
    "a proxy that is not an address": (
        lambda files: {"nginx_trusted_proxies": ["proxy.example.com"]},
        ["nginx_trusted_proxies has 'proxy.example.com', which is not an address"],
    ),
    "an authority that is not a URL": (
        lambda files: {"nginx_acme_directory": "acme.example.com"},
        ["nginx_acme_directory 'acme.example.com' is not an https URL"],
    ),
}


@pytest.mark.parametrize(("changes", "words"), CASES.values(), ids=CASES)
def test_bad_input_is_named_and_everything_serves_on(files, changes, words):
    before = serial(HOSTS[0], "gallery.test")
    refused("Nothing was changed, because:", *words, playbook="site", hosts=HOSTS[:1], **changes(files))
    assert ask(HOSTS[0], "https://gallery.test/").status == 200
    assert serial(HOSTS[0], "gallery.test") == before
