"""Certificates that are files on the controller: what is refused, in which words, and what is warned about."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import pem_files
from certificates import issue, leaf
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

ROOT = Path(__file__).parents[5]
NAMES = ["shop.test", "www.shop.test"]
SECRET = VaultSecret(b"password")


def app(folder, *names):
    """An app whose files are in this folder."""
    tls = {"mode": "files", "certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
    return {"name": "shop", "state": "present", "server_names": list(names or NAMES), "tls": tls}


def write(folder, certificate, key):
    """Put the two files there."""
    Path(folder, "cert.pem").write_text(certificate)
    Path(folder, "key.pem").write_text(key)


def refusal(folder, *names):
    """Why the files are refused, without the folder."""
    with pytest.raises(Refusal) as refused:
        pem_files.read(app(folder, *names), DataLoader())
    return str(refused.value).replace(f"{folder}/", "")


def test_a_right_pair_is_read_and_nothing_else_of_its_files(tmp_path):
    right = leaf(NAMES)
    write(tmp_path, f"issued for the shop\n{right.certificate}", f"keep this\n{right.key}")
    pairs, mistakes = pem_files.read_all([app(tmp_path)], DataLoader())
    assert mistakes == []
    assert pairs["shop"].texts() == {"certificate": right.certificate, "key": right.key}
    assert pem_files.warnings(pairs) == []


def test_what_ansible_vault_has_encrypted_is_decrypted_and_not_left_lying_about(tmp_path, monkeypatch):
    right = leaf(NAMES)
    vault = VaultLib([("default", SECRET)])
    write(tmp_path, vault.encrypt(right.certificate).decode(), vault.encrypt(right.key).decode())
    assert "tls.certificate: cert.pem cannot be read" in refusal(tmp_path)
    assert "give the password ansible-vault encrypted it with" in refusal(tmp_path)
    loader = DataLoader()
    loader.set_vault_secrets([("default", SECRET)])
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert pem_files.read(app(tmp_path), loader).key == right.key
    assert not loader._tempfiles


def test_an_app_that_brings_no_files_has_none_read():
    other = {**app(Path("/nowhere")), "tls": {"mode": "self_signed"}}
    absent = {**app(Path("/nowhere")), "state": "absent"}
    assert pem_files.read_all([other, absent], DataLoader()) == ({}, [])


def test_every_apps_mistake_is_named(tmp_path):
    (mistake,) = pem_files.read_all([app(tmp_path)], DataLoader())[1]
    assert mistake.startswith(f"app 'shop': tls.certificate: there is no file {tmp_path}/cert.pem; a relative path")


def test_a_key_of_another_certificate_is_refused(tmp_path):
    write(tmp_path, leaf(NAMES).certificate, leaf(NAMES).key)
    assert refusal(tmp_path) == (
        "tls.key: key.pem is not the key of tls.certificate cert.pem (CN=shop.test); name the two that belong together"
    )


def test_a_chain_in_another_order_is_refused(tmp_path):
    right = leaf(NAMES)
    write(tmp_path, right.chain + right.pem, right.key)
    assert "cert.pem has the key's certificate in place 2; put it first" in refusal(tmp_path)
    write(tmp_path, right.pem + leaf(["other.test"]).chain, right.key)
    assert "in cert.pem, certificate 2 (CN=Test authority) did not issue certificate 1 (CN=shop.test); put" in refusal(
        tmp_path
    )


def test_a_certificate_that_has_ended_or_not_begun_is_refused(tmp_path):
    ended = leaf(NAMES, begins=timedelta(days=-9), ends=timedelta(seconds=-1))
    write(tmp_path, ended.certificate, ended.key)
    assert "cert.pem (CN=shop.test) ended on 20" in refusal(tmp_path)
    assert refusal(tmp_path).endswith("UTC; renew it")
    early = leaf(NAMES, begins=timedelta(days=1))
    write(tmp_path, early.certificate, early.key)
    assert "cert.pem (CN=shop.test) begins on 20" in refusal(tmp_path)


def test_an_old_cryptographys_times_are_in_utc_too():
    noon = datetime(2026, 11, 29, 12)
    old = SimpleNamespace(not_valid_after=noon)
    assert pem_files.moment(old, "not_valid_after") == noon.replace(tzinfo=timezone.utc)


def test_a_certificate_that_ends_soon_is_warned_about(tmp_path):
    short = leaf(NAMES, ends=timedelta(days=13, hours=1))
    write(tmp_path, short.certificate, short.key)
    (warning,) = pem_files.warnings(pem_files.read_all([app(tmp_path)], DataLoader())[0])
    assert warning.startswith("app 'shop': its certificate ends on 20")
    assert "in 13 days; renew the file that tls.certificate names" in warning


@pytest.mark.parametrize(
    ("covered", "served", "missing"),
    [
        (["shop.test"], NAMES, "www.shop.test"),
        (["*.shop.test"], ["a.b.shop.test"], "a.b.shop.test"),
        (["*.shop.test"], [".shop.test"], "shop.test"),
    ],
)
def test_a_certificate_that_does_not_cover_a_name_is_refused(tmp_path, covered, served, missing):
    short = leaf(covered)
    write(tmp_path, short.certificate, short.key)
    said = refusal(tmp_path, *served)
    assert f"cert.pem does not cover {missing} of server_names; it covers {', '.join(covered)}. Get one" in said


def test_a_wildcard_and_another_spelling_cover_a_name(tmp_path):
    wild = leaf(["*.Shop.test", "shop.test"])
    write(tmp_path, wild.certificate, wild.key)
    pem_files.read(app(tmp_path, "WWW.shop.test", ".shop.test"), DataLoader())


def test_a_common_name_covers_nothing(tmp_path):
    old = issue("shop.test", [])
    write(tmp_path, old.certificate, old.key)
    assert "it covers no name" in refusal(tmp_path)


def test_what_is_neither_certificate_nor_key_is_refused(tmp_path):
    right = leaf(NAMES)
    write(tmp_path, right.key, right.key)
    assert "cert.pem holds no certificate in PEM" in refusal(tmp_path)
    write(tmp_path, right.certificate, "s3cret")
    assert "key.pem holds no private key in PEM" in refusal(tmp_path)
    assert "s3cret" not in refusal(tmp_path)


def test_a_key_that_nginx_could_not_use_is_refused(tmp_path):
    right = leaf(NAMES)
    guarded = right.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    write(tmp_path, right.certificate, guarded.decode())
    assert "key.pem has a passphrase, which nginx could not ask for; take it off (openssl pkey)" in refusal(tmp_path)
    weak = leaf(NAMES, private=rsa.generate_private_key(65537, 1024))
    write(tmp_path, weak.certificate, weak.key)
    assert "key.pem is an RSA key of 1024 bits, which OpenSSL refuses; make one of 2048 or more" in refusal(tmp_path)


def provide(folder, known=None, **entry):
    """Status and output of a play that provides for one app on a host that nobody can reach; ``known`` are facts of the host."""
    entry = {"name": "shop", "module": "hello:app", "source": {"path": str(ROOT / "examples/demoapp")}, **entry}
    host = {"ansible_host": "192.0.2.1", "ansible_port": 1, "ansible_ssh_timeout": 1, "flask_apps": [entry]}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": host}}}))
    task = {"emperor.flask.certificates": {"step": "provide", "host": known or {}}}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    command = ["ansible-playbook", "-i", str(folder / "hosts.json"), str(folder / "play.yml")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "1000"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_host_without_tls_is_not_asked(tmp_path):
    assert provide(tmp_path, server_names=["shop.test"])[0] == 0
    status, output = provide(tmp_path, server_names=["shop.test"], tls={"mode": "self_signed"})
    assert (status, "unreachable=1" in output) == (4, True)


@pytest.mark.parametrize("known", [{"lineages": ["shop"]}, {"sets": ["acme"]}], ids=["renewed", "set up"])
def test_a_host_that_renews_what_no_app_orders_any_more_is_asked(tmp_path, known):
    status, output = provide(tmp_path, known, server_names=["shop.test"])
    assert (status, "unreachable=1" in output) == (4, True)
    assert provide(tmp_path, {"lineages": ["another"], "sets": ["nginx"]}, server_names=["shop.test"])[0] == 0


def test_a_certificate_that_cannot_be_served_reaches_no_host(tmp_path):
    write(tmp_path, leaf(NAMES).certificate, leaf(NAMES).key)
    status, output = provide(tmp_path, server_names=NAMES, tls=app(tmp_path)["tls"])
    assert (status, "unreachable=0" in output) == (2, True)
    assert f"app 'shop': tls.key: {tmp_path}/key.pem is not the key of tls.certificate" in output
