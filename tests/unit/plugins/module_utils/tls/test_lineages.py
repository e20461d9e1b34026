"""What is ordered of an authority, when, and what a failure says."""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.tls import certbot, key_pairs, lineages
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage, Order
from ansible_collections.emperor.flask.plugins.module_utils.tls.x509 import Certificate
from lineages import DIRECTORY, issue, issued, lineage

NAMES = ("shop.test", "WWW.shop.test")
ORDER = Order("shop", NAMES, DIRECTORY)

# What certbot 2.1 and 5.8 print, word for word.
UNPROVED = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
Renewing an existing certificate for shop.test and www.shop.test

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: shop.test
  Type:   connection
  Detail: Get "http://shop.test/.well-known/acme-challenge/mMb": dial tcp 192.0.2.1:80: connect: connection refused

  {identifier}: www.shop.test
  Type:   dns
  Detail: DNS problem: NXDOMAIN looking up A for www.shop.test

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile or re-run Certbot with -v for more details.
"""
UNEXPECTED = """\
Saving debug log to /var/log/letsencrypt/letsencrypt.log
An unexpected error occurred:
{error}
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile or re-run Certbot with -v for more details.
"""
UNEXPECTED_ERRORS = {
    "refused, certbot 5": (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='localhost', port=14001): Max retries exceeded with url: /dir "
        "(Caused by NewConnectionError(\"HTTPSConnection(host='localhost', port=14001): Failed to establish a new connection: "
        '[Errno 111] Connection refused"))',
        "cannot be reached from this host; correct nginx_acme_directory",
    ),
    "refused, certbot 2": (
        "ValueError: Requesting localhost/dir: Connection refused",
        "cannot be reached from this host",
    ),
    "silent": (
        "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='localhost', port=14001): Read timed out. (read timeout=45)",
        "cannot be reached from this host",
    ),
    "private CA": (
        "requests.exceptions.SSLError: HTTPSConnectionPool(host='localhost', port=14000): Max retries exceeded with url: /dir (Caused by "
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer "
        "certificate (_ssl.c:1006)')))",
        "does not know the CA that signed the authority's own certificate; name it in nginx_acme_ca",
    ),
    "no directory": (
        "acme.errors.ClientError: <Response [404]>",
        "That is not an ACME directory; correct nginx_acme_directory",
    ),
}


def test_a_certificate_tells_its_names_and_its_end(tmp_path):
    issue(tmp_path, *NAMES, ends=timedelta(hours=1))
    read = Certificate.read(str(tmp_path / "fullchain.pem"))
    assert read.names == {"shop.test", "www.shop.test"}
    assert abs(read.ends - time.time() - 3600) < 60
    assert read.end == time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(read.ends))
    assert Certificate.read(str(tmp_path / "privkey.pem")) is None
    assert Certificate.read(str(tmp_path / "nothing.pem")) is None


@pytest.mark.parametrize(
    ("names", "ends_in", "order", "expected"),
    [
        (NAMES, 7200, ORDER, None),
        (("shop.test",), 7200, ORDER, "is for shop.test"),
        ((*NAMES, "old.test"), 7200, ORDER, "is for old.test, shop.test, www.shop.test"),
        (NAMES, 7200, Order("shop", NAMES, "https://other.test/dir"), f"is from {DIRECTORY}"),
        (NAMES, -7200, ORDER, "and was not renewed"),
    ],
    ids=["as ordered", "a name more", "a name less", "another authority", "ended"],
)
def test_what_is_not_as_ordered_is_issued_anew(tmp_path, names, ends_in, order, expected):
    lack = order.lack(lineage(tmp_path, names=names, ends=timedelta(seconds=ends_in)))
    assert lack == expected or expected in lack


def test_an_app_without_a_lineage_or_with_a_broken_one_lacks_a_certificate(tmp_path):
    assert ORDER.lack(Lineage("shop", str(tmp_path))) == "it has none yet"
    made = lineage(tmp_path, names=NAMES)
    shutil.rmtree(made.live)
    assert ORDER.lack(made) == "the one it has cannot be read"


def test_what_nginx_was_given_is_compared_with_what_certbot_has(tmp_path):
    made = lineage(tmp_path)
    assert not made.is_taken()
    made.serve()
    assert not made.is_taken()
    Path(made.combined).write_bytes(issued(made))
    assert made.is_taken()
    made.stop_serving()
    assert not made.is_taken()


def test_certbot_is_asked_for_every_name_under_a_name_of_our_own():
    arguments = Order("shop", NAMES, DIRECTORY, "ops@shop.test").arguments()
    pairs = list(zip(arguments, arguments[1:]))
    assert [value for option, value in pairs if option == "--domain"] == list(NAMES)
    assert {("--cert-name", "emperor-shop"), ("--server", DIRECTORY), ("--email", "ops@shop.test")} <= set(pairs)
    assert "--register-unsafely-without-email" not in arguments
    assert "--register-unsafely-without-email" in ORDER.arguments()


@pytest.mark.parametrize("identifier", ["Domain", "Identifier"])
def test_a_name_that_is_not_proved_is_named_with_its_reason(tmp_path, identifier):
    message = ORDER.failure(UNPROVED.format(identifier=identifier), Lineage("shop", str(tmp_path)))
    assert message == (
        f"app 'shop': {DIRECTORY} issued no certificate for shop.test, WWW.shop.test: "
        'shop.test: Get "http://shop.test/.well-known/acme-challenge/mMb": dial tcp 192.0.2.1:80: connect: connection refused; '
        "www.shop.test: DNS problem: NXDOMAIN looking up A for www.shop.test\n"
        "The authority asks every name on port 80; make sure that each of them leads to this host; then run again. "
        "The app serves on with no certificate."
    )


@pytest.mark.parametrize(("error", "remedy"), UNEXPECTED_ERRORS.values(), ids=UNEXPECTED_ERRORS)
def test_an_authority_that_does_not_answer_is_named_with_the_remedy(tmp_path, error, remedy):
    message = ORDER.failure(UNEXPECTED.format(error=error), Lineage("shop", str(tmp_path)))
    assert f"{DIRECTORY} issued no certificate for shop.test, WWW.shop.test: {error}\n" in message
    assert remedy in message


def test_what_certbot_loses_is_read_from_its_log(tmp_path):
    said, log = UNEXPECTED.format(error="AttributeError: can't set attribute"), tmp_path / "letsencrypt.log"
    assert certbot.cause(said, str(log)) == f"see {log} on the host"
    log.write_text(
        "acme.messages.Error: urn:ietf:params:acme:error:badNonce :: an older one\n\nDuring handling of the above exception\n"
        "acme.messages.Error: urn:ietf:params:acme:error:rateLimited :: too many certificates (5) already issued, retry after noon\n"
    )
    why = certbot.cause(said, str(log))
    assert why == "urn:ietf:params:acme:error:rateLimited :: too many certificates (5) already issued, retry after noon"
    assert "wait as long as it says" in certbot.remedy(said, why)


def test_a_failure_says_what_is_served_and_until_when(tmp_path):
    made = lineage(tmp_path)
    Path(made.combined).write_bytes(key_pairs.self_signed(list(NAMES)).combined)
    assert "its stand-in, which no browser trusts, until 2" in ORDER.failure("", made)
    Path(made.combined).write_bytes(issued(made))  # of the authority, or of another before it
    assert f"The app serves on with the certificate it has, until {made.issued.end}." in ORDER.failure("", made)


def test_an_app_that_orders_nothing_any_more_is_forgotten_even_without_certbot(tmp_path, monkeypatch):
    made = lineage(tmp_path)
    made.serve()
    asked = []
    monkeypatch.setattr(certbot, "is_installed", lambda: bool(asked))
    monkeypatch.setattr(certbot, "certbot", lambda *arguments: asked.append(arguments))
    made.forget()
    assert not Path(made.link).is_symlink()
    assert asked == []
    asked.append("certbot is installed")
    made.forget()
    assert asked[-1] == ("delete", "--non-interactive", "--cert-name", "emperor-shop")


def test_without_orders_nothing_is_run_on_the_host():
    assert lineages.issue([]) == []


SETTINGS = """\
version = 4.0.0
archive_dir = {root}/etc/letsencrypt/archive/{name}
cert = {root}/etc/letsencrypt/live/{name}/cert.pem
fullchain = {root}/etc/letsencrypt/live/{name}/fullchain.pem
[renewalparams]
server = https://acme.example.com/directory
[[webroot_map]]
emperor-shop.example.com = /var/lib/emperor-flask/acme
"""


def test_certbot_renews_under_the_new_name_what_an_app_had_and_nothing_is_ordered(tmp_path):
    old, new = Lineage("shop", str(tmp_path)), Lineage("store", str(tmp_path))
    issue(old.archive, "shop.test")
    Path(old.live).mkdir(parents=True)
    for name in ("fullchain.pem", "privkey.pem"):
        Path(old.archive, name).rename(Path(old.archive, name.replace(".", "3.")))
        Path(old.live, name).symlink_to(f"../../archive/{old.name}/{name.replace('.', '3.')}")
    Path(old.live, "README").write_text("certbot's")
    Path(old.settings).parent.mkdir()
    Path(old.settings).write_text(SETTINGS.format(root=tmp_path, name=old.name))
    Path(old.settings).chmod(0o640)
    order = Order("store", ("shop.test",), DIRECTORY)
    assert order.lack(new) == "it has none yet"
    new.inherit(old)
    assert order.lack(new) is None
    assert Path(new.settings).read_text() == SETTINGS.format(root=tmp_path, name=new.name)
    assert Path(new.settings).stat().st_mode & 0o777 == 0o640
    assert not old.exists and not Path(old.live).exists() and not Path(old.archive).exists()
    new.inherit(old)
    assert order.lack(new) is None


def test_a_lineage_that_a_run_has_half_renamed_is_renamed_by_the_next_one(tmp_path):
    old, new = lineage(tmp_path, "shop"), Lineage("store", str(tmp_path))
    Path(new.archive).mkdir(parents=True)
    Path(new.live).mkdir()
    new.inherit(old)
    assert new.exists and not old.exists


def test_an_app_that_has_a_lineage_inherits_none(tmp_path):
    old, new = lineage(tmp_path, "shop"), lineage(tmp_path, "store")
    before = Path(new.settings).read_text()
    new.inherit(old)
    assert (Path(new.settings).read_text(), old.exists) == (before, True)
