"""The program that gives nginx what certbot has got: run for real over a host's folders, with a stand-in for nginx and systemctl."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from lineages import issue, issued, lineage, served
from render import ROLES

# nginx refuses a configuration whose key is not the certificate's: the one thing that the program leaves to it.
NGINX = """\
#!/bin/sh
for folder in "$ROOT"/etc/nginx/certificates/*/; do
    [ -e "$folder/combined.pem" ] || continue
    of_key=$(openssl pkey -in "$folder/combined.pem" -pubout 2>/dev/null)
    [ "$(openssl x509 -in "$folder/combined.pem" -noout -pubkey)" = "$of_key" ] || { echo "key values mismatch"; exit 1; }
done
"""
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>"$ROOT/reloads"
[ ! -e "$ROOT/broken" ]
"""


class Host:
    """A host's folders, and the program."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "bin").mkdir()
        (root / "var/lib/emperor-flask").mkdir(parents=True)
        (root / "etc/nginx/certificates/plain").mkdir(parents=True)  # an app whose certificate is from elsewhere
        for name, text in {"nginx": NGINX, "systemctl": SYSTEMCTL}.items():
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        (root / "take").write_text((ROLES / "flask_app/files/take_certificates.py").read_text())

    def take(self) -> subprocess.CompletedProcess[str]:
        """Run it."""
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "ROOT": str(self.root)}
        argv = [sys.executable, str(self.root / "take"), str(self.root)]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    @property
    def reloads(self) -> int:
        """How often nginx was told to reload."""
        log = self.root / "reloads"
        return log.read_text().count("reload-or-restart nginx.service") if log.exists() else 0


@pytest.fixture
def host(tmp_path):
    """A host."""
    return Host(tmp_path)


def test_a_new_certificate_is_copied_for_root_alone_and_nginx_reloads_once(host):
    made = [lineage(host.root, app) for app in ("notes", "shop")]
    for one in made:
        one.serve()
    done = host.take()
    assert (done.returncode, host.reloads) == (0, 1), done.stderr
    assert [served(one) for one in made] == [issued(one) for one in made]
    assert all(one.is_taken() for one in made)
    assert stat.S_IMODE(os.stat(made[0].combined).st_mode) == 0o600
    assert sorted(os.listdir(made[0].folder)) == ["combined.pem", "lineage"]
    assert (host.take().returncode, host.reloads) == (0, 1)


def test_a_lineage_that_no_app_has_a_link_to_is_left_alone(host):
    made = lineage(host.root)
    assert (host.take().returncode, host.reloads) == (0, 0)
    assert os.listdir(made.folder) == []


def test_what_nginx_refuses_is_put_back_and_the_other_apps_get_theirs(host):
    broken, good = lineage(host.root, "broken"), lineage(host.root, "good")
    for one in (broken, good):
        one.serve()
    host.take()
    before = served(broken)
    for one in (broken, good):
        issue(one.live, "shop.test")
    shutil.copy(Path(good.live, "privkey.pem"), broken.live)
    done = host.take()
    assert done.returncode == 1
    assert "app 'broken': it keeps the certificate it had: 'nginx -t -q' says: key values mismatch" in done.stderr
    assert served(broken) == before
    assert served(good) == issued(good)
    assert host.reloads == 2


def test_a_stand_in_that_is_missing_is_put_back_too(host):
    made = lineage(host.root)
    issue(host.root / "other", "shop.test")
    shutil.copy(host.root / "other/privkey.pem", made.live)
    made.serve()
    assert host.take().returncode == 1
    assert os.listdir(made.folder) == ["lineage"]


def test_a_reload_that_is_owed_is_made_up_for(host):
    made = lineage(host.root)
    made.serve()
    (host.root / "broken").touch()
    assert "nginx does not reload" in host.take().stderr
    (host.root / "broken").unlink()
    assert (host.take().returncode, host.reloads) == (0, 2)
    assert (host.take().returncode, host.reloads) == (0, 2)


def test_a_lineage_that_is_gone_is_an_error_that_names_the_app(host):
    made = lineage(host.root)
    made.serve()
    host.take()
    shutil.rmtree(made.live)
    done = host.take()
    assert done.returncode == 1
    assert "app 'shop': its certificate is not there any more" in done.stderr
    assert sorted(os.listdir(made.folder)) == ["combined.pem", "lineage"]
