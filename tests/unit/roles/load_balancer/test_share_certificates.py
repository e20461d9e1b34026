"""The program that brings what one balancer renews to the others: run for real, over the folders of two hosts and HTTP between them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs, sharing
from ansible_collections.emperor.flask.plugins.module_utils.tls.key_pairs import Pair
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage
from certificates import leaf
from render import ROLES

# Under the host's lock, as the real one.
TAKE = """\
#!/bin/sh
exec 9>>"$1/var/lib/emperor-flask/host.lock"
flock --timeout 5 9 || exit 1
for link in "$1"/etc/nginx/certificates/*/lineage; do cat "$link/fullchain.pem" "$link/privkey.pem" >"${link%/*}/combined.pem"; done
"""


class Balancer:
    """A balancer's folders."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._monkeypatch = root, monkeypatch
        self.own = root / "etc/emperor-flask/balancer"
        self.state = root / "var/lib/emperor-flask"
        self.share = root / "usr/local/lib/emperor-flask/share-certificates"
        for folder in (self.state, self.share.parent, root / "etc/nginx/certificates"):
            folder.mkdir(parents=True)
        program = (ROLES / "load_balancer/files/share_certificates.py").read_text()
        self.share.write_text(
            program.replace("#!/usr/bin/python3", f"#!{sys.executable}").replace('else "/")', f'else "{root}")')
        )
        (self.share.parent / "take-certificates").write_text(TAKE)
        for path in self.share.parent.iterdir():
            path.chmod(0o755)

    def __enter__(self) -> None:
        """What the module does, it does on this one."""
        patched = {"OWN": self.own, "SHARE": self.share, "SHARED": self.state / "shared-certificates"}
        patched["SEALED"] = self.state / "sealed"
        for name, value in patched.items():
            self._monkeypatch.setattr(sharing, name, str(value))
        self._monkeypatch.setattr(sharing, "Lineage", lambda name: Lineage(name, str(self.root)))

    def __exit__(self, *_unused: object) -> None:
        pass

    def stands(self, app: str) -> Path:
        """What nginx reads."""
        path = self.root / "etc/nginx/certificates" / app / "combined.pem"
        path.parent.mkdir(exist_ok=True)
        return path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the program."""
        return subprocess.run([self.share, command], capture_output=True, text=True, check=False)


class Pairing:
    """Two balancers that know each other; the first has got a certificate for each of two apps, and the other has them too."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.first, self.other = (Balancer(folder / name, monkeypatch) for name in ("lb1", "lb2"))
        with self.other:
            known, made = sharing.identity()
            assert made and sharing.identity() == (known, False)
        with self.first:
            signer, _made = sharing.identity()
            self.pairs = {app: self.renew(app, timedelta(days=30)) for app in ("bank", "shop")}
            assert sharing.seal_for(["lb2"], {"lb2": known})
            assert not sharing.seal_for(["lb2"], {"lb2": known})
        with self.other:
            assert sharing.follow(signer) and not sharing.follow(signer)
            for app, pair in self.pairs.items():
                self.other.stands(app).write_bytes(pair.combined)
                assert sharing.hold(app, pair) and not sharing.hold(app, pair)

    def renew(self, app: str, ends: timedelta) -> Pair:
        """Let the first one have another certificate."""
        made = leaf([f"{app}.test"], ends=ends)
        pair = Pair(made.certificate, made.key)
        self.first.stands(app).write_bytes(pair.combined)
        link = self.first.stands(app).parent / "lineage"
        if not link.is_symlink():
            link.symlink_to("/etc/letsencrypt/live/emperor-app")
        return pair


@pytest.fixture
def balancers(tmp_path, monkeypatch):
    """The two, with the first one's port."""
    monkeypatch.setattr(Access, "apply", lambda self, path: os.chmod(path, self.mode))
    pairing = Pairing(tmp_path, monkeypatch)
    argv = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        pairing.first.state / "sealed",
        "0",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        port = server.stdout.readline().split()[5]
        (pairing.other.own.parent / "first-balancer").write_text(f"http://127.0.0.1:{port}/lb2.cms\n")
        yield pairing
        server.kill()


def test_what_the_first_one_renews_reaches_the_other(balancers):
    renewed = balancers.renew("shop", timedelta(days=90))
    assert balancers.first.run("seal").returncode == 0
    done = balancers.other.run("fetch")
    assert (done.returncode, done.stderr) == (0, "")
    assert balancers.other.stands("shop").read_bytes() == renewed.combined
    assert balancers.other.stands("bank").read_bytes() == balancers.pairs["bank"].combined
    kept = balancers.other.state / "shared-certificates/shop"
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}


def test_what_is_sealed_tells_nobody_else_a_key(balancers):
    (sealed,) = (balancers.first.state / "sealed").iterdir()
    assert sealed.name == "lb2.cms"
    assert b"PRIVATE" not in sealed.read_bytes() and b"bank" not in sealed.read_bytes()
    with balancers.first:
        assert sharing.seal_for([], {})
    assert list((balancers.first.state / "sealed").iterdir()) == []


def test_an_older_one_and_one_for_an_app_with_files_of_its_own_stay_away(balancers):
    for app in ("bank", "shop"):
        balancers.renew(app, timedelta(days=20 if app == "bank" else 90))
    mine = balancers.other.stands("shop")
    (mine.parent / "lineage").unlink()
    before = {app: balancers.other.stands(app).read_bytes() for app in ("bank", "shop")}
    balancers.first.run("seal")
    assert balancers.other.run("fetch").returncode == 0
    assert {app: balancers.other.stands(app).read_bytes() for app in before} == before


def test_a_stand_in_is_replaced_though_it_ends_later_and_is_an_alarm_until_then(balancers):
    stand_in = key_pairs.self_signed(["shop.test"])
    with balancers.other:
        assert sharing.hold("shop", stand_in)
    balancers.other.stands("shop").write_bytes(stand_in.combined)
    (balancers.first.stands("shop").parent / "lineage").unlink()  # it could not be ordered
    balancers.first.run("seal")
    done = balancers.other.run("fetch")
    assert (done.returncode, done.stderr.count("app '")) == (1, 1)
    assert "app 'shop': it still shows a stand-in that no browser trusts" in done.stderr
    ordered = balancers.renew("shop", timedelta(days=90))
    balancers.first.run("seal")
    assert balancers.other.run("fetch").returncode == 0
    assert balancers.other.stands("shop").read_bytes() == ordered.combined


def test_one_that_cannot_be_kept_holds_up_no_other_and_not_the_hosts_lock(balancers):
    renewed = [balancers.renew(app, timedelta(days=90)) for app in ("bank", "shop")]
    balancers.first.run("seal")
    (balancers.other.state / "shared-certificates/bank/fullchain.pem.new").mkdir()
    done = balancers.other.run("fetch")
    assert done.returncode == 1
    assert done.stderr.startswith("app 'bank': [Errno 21] Is a directory") and "shop" not in done.stderr
    assert balancers.other.stands("shop").read_bytes() == renewed[1].combined


def test_what_could_not_be_sealed_is_sealed_by_the_next_run(balancers):
    sealed = balancers.first.state / "sealed"
    shutil.rmtree(sealed)
    with balancers.first:
        assert sharing.seal_for(["lb2"], {})
        assert not sharing.seal_for(["lb2"], {})
    assert [path.name for path in sealed.iterdir()] == ["lb2.cms"]


def test_a_balancer_that_is_first_no_longer_or_alone_keeps_nothing_for_others(balancers):
    with balancers.other:
        signer, _made = sharing.identity()
    with balancers.first:
        assert sharing.follow(signer)
        assert sorted(path.name for path in balancers.first.own.iterdir()) == ["first.crt", "own.pem"]
        assert sharing.end() and not sharing.end()
    assert not balancers.first.own.exists() and not (balancers.first.state / "sealed").exists()


def test_what_another_one_has_signed_is_refused_and_said(balancers):
    before = balancers.other.stands("shop").read_bytes()
    balancers.renew("shop", timedelta(days=90))
    (balancers.first.own / "own.pem").write_bytes(key_pairs.self_signed(["x.test"]).combined)
    balancers.first.run("seal")
    done = balancers.other.run("fetch")
    assert done.returncode == 1
    assert "the first balancer's certificates do not arrive from http://127.0.0.1:" in done.stderr
    assert "'openssl cms -verify' says:" in done.stderr
    assert balancers.other.stands("shop").read_bytes() == before


def test_one_that_nothing_reaches_says_so(balancers):
    shutil.rmtree(balancers.first.state / "sealed")
    done = balancers.other.run("fetch")
    assert done.returncode == 1
    assert "lb2.cms: HTTP Error 404: File not found" in done.stderr


def test_a_certificate_whose_renewal_did_not_come_is_an_alarm(balancers):
    made = leaf(["shop.test"], begins=timedelta(days=-78), ends=timedelta(days=12))
    ending = Pair(made.certificate, made.key)
    with balancers.other:
        sharing.hold("shop", ending)
    balancers.other.stands("shop").write_bytes(ending.combined)
    balancers.renew("shop", timedelta(days=12) - timedelta(minutes=1))
    balancers.first.run("seal")
    done = balancers.other.run("fetch")
    assert done.returncode == 1
    assert "app 'shop': its certificate ends on 20" in done.stderr
    assert "look at 'journalctl --unit certbot' there" in done.stderr
    assert "bank" not in done.stderr
