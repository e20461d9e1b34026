"""Certificates on the host: self-signed ones by the real openssl, and what is left alone."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import transaction
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs
from ansible_collections.emperor.flask.plugins.module_utils.tls.key_pairs import Pair
from ansible_collections.emperor.flask.plugins.modules import certificates_on_host as module
from certificates import leaf
from cryptography import x509

NAMES = ["shop.test", "*.shop.test"]
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl on this machine")


@pytest.fixture
def apply(tmp_path, monkeypatch):
    """Bring pairs to a folder, as to a host but for nginx; return the transaction. Files are root's on a host, here they are ours."""
    me = (pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name)
    for part in (key_pairs, transaction):
        monkeypatch.setattr(part, "Access", lambda mode: Access(mode, *me))

    def apply(check=("true",), **wanted):
        done = key_pairs.transaction(wanted, str(tmp_path / "etc"), str(tmp_path / "state"), check, service=None)
        if done.changed:
            done.apply()
        return done

    return apply


def read(tmp_path, name):
    """What stands there of an app."""
    return Path(key_pairs.place(name, str(tmp_path / "etc"))).read_text()


@needs_openssl
def test_a_self_signed_certificate_is_for_its_names_and_for_no_authority():
    made = x509.load_pem_x509_certificate(key_pairs.self_signed(NAMES).certificate.encode())
    extensions = made.extensions
    assert (
        extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == NAMES
    )
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (made.not_valid_after_utc - made.not_valid_before_utc).days <= 366  # Mozilla's guidelines
    made.verify_directly_issued_by(made)


@needs_openssl
def test_a_self_signed_certificate_is_kept_while_it_will_do(tmp_path, apply, monkeypatch):
    folder = str(tmp_path / "etc")
    assert not key_pairs.is_self_signed("shop", NAMES, folder)
    apply(shop=key_pairs.self_signed(NAMES))
    assert key_pairs.is_self_signed("shop", NAMES, folder)
    assert key_pairs.is_self_signed("shop", NAMES[:1], folder)
    assert not key_pairs.is_self_signed("shop", [*NAMES, "shop.example"], folder)
    monkeypatch.setattr(key_pairs, "SPARE", key_pairs.LIFETIME + 1)
    assert not key_pairs.is_self_signed("shop", NAMES, folder)


@needs_openssl
def test_somebody_elses_certificate_is_none_of_ours(tmp_path, apply):
    other = leaf(NAMES)
    apply(shop=Pair(other.certificate, other.key))
    assert not key_pairs.is_self_signed("shop", NAMES, str(tmp_path / "etc"))


def test_keys_are_roots_alone_and_an_unchanged_run_changes_nothing(tmp_path, apply):
    assert apply(shop=Pair("certificate", "key")).changed
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "etc").rglob("*")}
    assert modes == {"shop": 0o700, "combined.pem": 0o600}
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o700
    assert not apply(shop=Pair("certificate", "key")).changed
    assert not apply(shop=None).changed
    (tmp_path / "etc/shop/combined.pem").chmod(0o644)
    assert apply(shop=None).changed


def test_an_app_that_is_not_asked_for_keeps_its_own(tmp_path, apply):
    apply(shop=Pair("certificate", "key"), bank=Pair("another", "key"))
    apply(shop=Pair("renewed", "key"))
    assert (read(tmp_path, "shop"), read(tmp_path, "bank")) == ("renewed\nkey\n", "another\nkey\n")
    shutil.rmtree(tmp_path / "etc/bank")  # its app is gone
    apply(shop=Pair("again", "key"))
    assert sorted(path.name for path in (tmp_path / "etc").iterdir()) == ["shop"]


def test_what_nginx_refuses_is_put_back(tmp_path, apply):
    apply(shop=Pair("certificate", "key"))
    with pytest.raises(Refusal, match="key values mismatch"):
        apply(check=("sh", "-c", "echo key values mismatch; exit 1"), shop=Pair("wrong", "wrong"))
    assert read(tmp_path, "shop") == "certificate\nkey\n"


def test_neither_certificate_nor_key_is_in_a_diff(apply):
    apply(shop=Pair("first certificate", "first key"))
    assert "first" not in str(apply(shop=Pair("second certificate", "second key")).diff())


def test_a_stand_in_is_made_only_where_there_is_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module.key_pairs, "place", lambda name: str(tmp_path / name))
    monkeypatch.setattr(module.key_pairs, "self_signed", lambda names: Pair("stand-in", "key"))
    acme = {"name": "shop", "renamed_from": None, "mode": "acme", "names": NAMES}
    assert module._pair(acme, None) == Pair("stand-in", "key")
    (tmp_path / "shop").touch()
    assert module._pair(acme, None) is None


@pytest.mark.parametrize(
    ("mode", "fits", "expected"), [("acme", False, True), ("self_signed", True, True), ("self_signed", False, False)]
)
def test_an_app_with_a_new_name_begins_with_the_certificate_that_it_had(tmp_path, monkeypatch, mode, fits, expected):
    monkeypatch.setattr(module.key_pairs, "place", lambda name, folder="": str(tmp_path / name))
    monkeypatch.setattr(module.key_pairs, "is_self_signed", lambda name, names: fits and name == "shop")
    monkeypatch.setattr(module.key_pairs, "self_signed", lambda names: Pair("stand-in", "key"))
    made = leaf(NAMES)
    had = Pair(made.certificate, made.key)
    (tmp_path / "shop").write_bytes(had.combined)
    app = {"name": "store", "renamed_from": "shop", "mode": mode, "names": NAMES}
    assert (module._pair(app, None).combined == had.combined) == expected
    (tmp_path / "shop").unlink()
    assert module._pair(app, None) == Pair("stand-in", "key")


def test_files_are_what_the_controller_sent():
    given = {"certificate": "certificate", "key": "key"}
    assert module._pair({"name": "shop", "mode": "files", "names": NAMES}, given) == Pair("certificate", "key")


@pytest.mark.parametrize("listen", ["listen 443 ssl backlog=1024;", "    listen [::]:443 ssl http2;", "listen *:443;"])
def test_a_host_that_listens_for_tls_is_ready(tmp_path, listen):
    (tmp_path / "00_default.conf").write_text(f"server {{\n{listen}\n}}\n")
    site.check_default_server(str(tmp_path / "00_default.conf"))


@pytest.mark.parametrize("text", ["", "server {\n    listen 80;\n    # listen 443;\n    listen 4430;\n}\n"])
def test_a_host_that_does_not_is_refused(tmp_path, text):
    (tmp_path / "00_default.conf").write_text(text)
    with pytest.raises(Refusal, match="no default server on port 443 yet; apply the role emperor.flask.nginx first"):
        site.check_default_server(str(tmp_path / "00_default.conf"))


@needs_openssl
def test_clients_can_pin_a_self_signed_certificate(tmp_path):
    made = tmp_path / "made.pem"
    made.write_text(key_pairs.self_signed(NAMES).certificate)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "a.shop.test"]
    done = subprocess.run([*verify, "-CAfile", made, made], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_keys_are_not_copied_where_a_site_is_tested():
    assert site._keys("/etc/nginx", ["conf.d", "certificates"]) == ["certificates"]
    assert site._keys("/etc/nginx/conf.d", ["certificates"]) == []


@pytest.mark.parametrize(
    ("renews", "left", "taken_away"), [(False, [], True), (False, ["bank"], False), (True, [], False)], ids=str
)
def test_renewals_end_with_the_last_certificate_that_needs_them(monkeypatch, renews, left, taken_away):
    asked = []
    monkeypatch.setattr(module.host_facts, "lineages", lambda: left)
    monkeypatch.setattr(module.Lineage, "forget", lambda lineage: asked.append(lineage.app))
    monkeypatch.setattr(
        module.lineages, "renewal", lambda files, _timer: SimpleNamespace(apply=lambda: asked.append(files))
    )
    module._issue({"apps": [{"name": "shop", "mode": "none", "names": []}], "renews": renews}, check_mode=False)
    assert asked == ["shop", *([[]] if taken_away else [])]
