"""A host that an older version has set up: the new one's `site` loses no request, and what the old one has released can be gone back to."""

import subprocess

import pytest
from plays import CHECKOUT, HOSTS, App, live, nothing_lost, on

# Before apps had slices, ceilings and shared paths in packages, and while uWSGI was a program of its own.
OLD = "df01e44"
READ = ["read"]  # what it released answers 502 to a body that the app does not read, whatever runs beside it


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The collection as it was."""
    tree = tmp_path_factory.mktemp("old") / "ansible_collections/emperor/flask"
    tree.mkdir(parents=True)
    there = subprocess.run(["git", "-C", str(CHECKOUT), "archive", OLD], capture_output=True, check=False)
    assert there.returncode == 0, f"{there.stderr.decode()}\nThis test needs the history: git fetch --unshallow"
    subprocess.run(["tar", "--extract", "--directory", tree], input=there.stdout, check=True)
    return tree


@pytest.fixture
def shop(tmp_path, old):
    """An app that the old version has released twice."""
    shop = App("shop", tmp_path / "shop", HOSTS, processes=2, threads=16, health={"path": "/health", "timeout": 30})
    shop.tree = old
    first = shop.play("site")
    assert first.status == 0, first.output
    (shop.folder / "VERSION").write_text("2\n")
    shop.deploy()
    shop.tree = CHECKOUT
    return shop


def test_the_new_site_loses_nothing_and_old_releases_can_be_gone_back_to(shop):
    (host,) = HOSTS
    releases = on(host, "ls -t /var/www/shop/releases").split()
    with nothing_lost(HOSTS, 200, *READ) as counted:
        run = shop.play("site")
        assert run.status == 0, run.output
    assert set(counted[0].versions) == {"shop 2"}
    assert "emperor-shop.slice" in on(host, "systemctl show --property ControlGroup uwsgi-emperor@shop")
    unchanged = shop.play("site")
    assert (unchanged.status, set(unchanged.changed)) == (0, {0}), unchanged.output
    before = live(host)
    for release in releases:
        with nothing_lost(HOSTS, 200, *READ):
            shop.rollback(release=release)
        assert live(host) == release
    with nothing_lost(HOSTS, 200, *READ):
        shop.deploy()
    assert live(host) == before
