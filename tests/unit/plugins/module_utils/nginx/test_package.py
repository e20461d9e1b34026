"""Which nginx is installed, and that a repository nobody can trust leaves the host as it was."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import apt as real_apt
from ansible_collections.emperor.flask.plugins.module_utils.host import transaction
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record
from ansible_collections.emperor.flask.plugins.module_utils.nginx import package as module
from ansible_collections.emperor.flask.plugins.module_utils.nginx.package import Supply
from mine import ME

DISTRIBUTIONS, ORGS, ORGS_NEXT = "1.22.1-9+deb12u3", "1.22.1-1~bookworm", "1.23.0-1~bookworm"

POLICY = """\
nginx:
  Installed: 1.22.1-1~bookworm
  Candidate: 1.22.1-1~bookworm
  Version table:
     1.26.3-2~bpo12+1 100
        100 http://deb.debian.org/debian bookworm-backports/main amd64 Packages
     1.22.1-9+deb12u3 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
     1.22.1-9 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
     1.0-1 -1
         -1 http://unwanted.test bookworm/main amd64 Packages
 *** 1.22.1-1~bookworm 100
        100 /var/lib/dpkg/status
"""


class Apt:
    """Stands in for apt: ``has`` is installed, ``offers`` what repositories offer; fails where ``failing`` is in the arguments."""

    def __init__(self):
        self.has, self.offers, self.failing, self.calls = {}, [], {}, []
        self.only, self.services_left_alone, self.purge_conffiles = (
            real_apt.only,
            real_apt.contextlib.nullcontext,
            lambda _: None,
        )

    def installed(self, package):
        return self.has.get(package)

    def offered(self, package, *options):
        return self.offers

    def lists_are_fresh(self):
        return True

    def apt_get(self, *arguments):
        self.calls.append(arguments)
        for word, output in self.failing.items():
            if word in arguments:
                raise CommandFailed(["apt-get"], 100, output)


@pytest.fixture
def apt(monkeypatch, tmp_path):
    fake = Apt()
    monkeypatch.setattr(module, "apt", fake)
    monkeypatch.setattr(module.systemd, "daemon_reload", lambda: None)
    monkeypatch.setattr(transaction, "Access", lambda mode: Access(mode, ME.owner, ME.group))
    return fake


def from_nginx_org(tmp_path, wanted="", content=b"stable"):
    path = str(tmp_path / "nginx-org.sources")
    record = Record.load("nginx_package", str(tmp_path / "state"))
    url = "http://nginx.test/packages/debian"
    return Supply(record, [File(path, content, ME)], sources=path, url=url, codename="bookworm", wanted=wanted)


def from_distribution(tmp_path, wanted=""):
    return Supply(Record.load("nginx_package", str(tmp_path / "state")), [], wanted=wanted)


def applied(apt, supply):
    """Apply, and return what was installed; the next transaction finds it."""
    assert supply.changed
    supply.apply()
    if supply.target:
        assert apt.calls[-1] == ("install", "--allow-downgrades", f"nginx={supply.target}")
        apt.has = {"nginx": supply.target} | ({} if supply.sources else {"nginx-common": supply.target})
    return supply.target


def test_a_policy_is_read_by_priority_without_what_is_only_installed_or_unwanted():
    assert real_apt.parse_policy(POLICY) == ["1.22.1-9+deb12u3", "1.22.1-9", "1.26.3-2~bpo12+1"]
    assert real_apt.parse_policy("") == []


def test_a_host_moves_to_nginx_org_and_back_whichever_version_is_higher(apt, tmp_path):
    apt.has, apt.offers = {"nginx": DISTRIBUTIONS, "nginx-common": DISTRIBUTIONS}, [ORGS]
    assert applied(apt, from_nginx_org(tmp_path)) == ORGS
    assert not from_nginx_org(tmp_path).changed
    apt.offers = [DISTRIBUTIONS]
    assert applied(apt, from_distribution(tmp_path)) == DISTRIBUTIONS
    assert not (tmp_path / "nginx-org.sources").exists()
    assert not from_distribution(tmp_path).changed


def test_an_exact_version_is_installed_with_or_without_its_revision(apt, tmp_path):
    apt.offers = [ORGS_NEXT, ORGS]
    assert applied(apt, from_nginx_org(tmp_path, "1.22.1")) == ORGS
    assert not from_nginx_org(tmp_path, "1.22.1").changed
    assert not from_nginx_org(tmp_path, ORGS).changed
    assert not from_nginx_org(tmp_path).changed
    assert applied(apt, from_nginx_org(tmp_path, ORGS_NEXT)) == ORGS_NEXT
    assert from_nginx_org(tmp_path, "1.2").changed


def test_a_missing_version_is_refused_with_those_that_there_are(apt, tmp_path):
    apt.offers = [ORGS_NEXT, ORGS]
    with pytest.raises(Refusal, match=f"'1.99.0'.*{ORGS_NEXT}, {ORGS}"):
        from_nginx_org(tmp_path, "1.99.0").apply()
    assert not (tmp_path / "nginx-org.sources").exists()
    assert [call for call in apt.calls if call[0] == "install"] == []


def test_another_channel_brings_its_newest_version_and_the_same_one_no_update(apt, tmp_path):
    apt.offers = [ORGS]
    applied(apt, from_nginx_org(tmp_path))
    apt.offers = [ORGS_NEXT, ORGS]
    assert applied(apt, from_nginx_org(tmp_path, content=b"stable with deb-src")) is None
    apt.offers = [ORGS_NEXT]
    assert applied(apt, from_nginx_org(tmp_path, content=b"mainline")) == ORGS_NEXT


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (
            {"update": "E: The repository is not signed. NO_PUBKEY"},
            ["does not trust", "NO_PUBKEY", "http://nginx.test"],
        ),
        (
            {"update": "  404  Not Found\nE: The repository 'x' does not have a Release file."},
            ["no packages for 'bookworm'", "nginx_origin to 'distribution'"],
        ),
        ({"--download-only": "E: Hash Sum mismatch"}, ["cannot download", "Hash Sum mismatch"]),
        ({f"nginx={ORGS}": "E: dpkg was interrupted"}, ["nginx", "dpkg was interrupted"]),
    ],
)
def test_what_apt_refuses_puts_the_repository_back(apt, tmp_path, failing, words):
    (tmp_path / "nginx-org.sources").write_bytes(b"as before")
    apt.offers, apt.failing = [ORGS], failing
    with pytest.raises(Refusal) as refusal:
        from_nginx_org(tmp_path).apply()
    assert [word for word in words if word not in str(refusal.value)] == []
    assert (tmp_path / "nginx-org.sources").read_bytes() == b"as before"
    assert from_nginx_org(tmp_path).changed


def test_a_run_that_died_while_installing_is_finished_by_the_next(apt, tmp_path, monkeypatch):
    apt.has, apt.offers = {"nginx": ORGS_NEXT}, [ORGS_NEXT]
    applied(apt, from_nginx_org(tmp_path, content=b"mainline"))
    dying = from_nginx_org(tmp_path)
    dying.record.save([str(tmp_path / "nginx-org.sources")], pending=True, aside=[])
    (tmp_path / "nginx-org.sources").write_bytes(b"stable")
    apt.offers = [ORGS]
    assert applied(apt, from_nginx_org(tmp_path)) == ORGS
