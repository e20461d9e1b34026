"""Releases that must not be: red with the cause in the last lines, nothing lost, nothing left behind, the old one serves on."""

import os

import pytest
from conftest import settled
from plays import CHECKOUT, FLEET, HOSTS, App, live, nothing_lost, on

REFUSED = {
    "import error": (
        {"env": {"SHOP_IMPORT_ERROR": "the database is on fire"}},
        ["cannot start: RuntimeError: the database is on fire"],
    ),
    "health answers 500": ({"env": {"SHOP_HEALTH": "500"}}, ["does not answer /health", "it answers 500"]),
    "health never answers": ({"env": {"SHOP_HEALTH_SECONDS": "8"}}, ["does not answer /health", "within 5 seconds"]),
    "a hook fails": (
        {"hooks": {"before_switch": ["echo the migration is stuck; exit 3"]}},
        ["before_switch hook", "ended with 3", "the migration is stuck"],
    ),
    "a hook prompts": ({"hooks": {"before_switch": ["read answer"]}}, ["nobody can answer it a question"]),
    "a hook prompts on the terminal": (
        {"hooks": {"before_switch": ["read answer < /dev/tty"]}},
        ["before_switch hook"],
    ),
    "a package that is not in the index": ({}, ["no-such-package-of-ours"]),
    "a directive misspelt": ({"nginx_extra": "servr_tokens off;"}, ['unknown directive "servr_tokens"', "nginx_extra"]),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_a_bad_release_is_refused_and_nothing_is_lost_or_left(shop, changes, words):
    if "no-such-package-of-ours" in words:
        (shop.folder / "requirements.txt").write_text("Flask==3.1.3\nno-such-package-of-ours\n")
    shop.write("bad")
    shop.entry.update({"health": {"path": "/health", "timeout": 5}, **changes})
    before = {host: settled(host) for host in HOSTS}
    with nothing_lost() as counted:
        run = shop.refused("app 'shop'", "what this host served before, it serves on", *words)
    assert {host: settled(host) for host in HOSTS} == before
    assert all(set(seen.versions) == {"shop 1"} for seen in counted)
    assert "first key" not in run.output


@pytest.fixture(
    params=[
        ("code", 40, 0, "make room"),
        ("code", 100, 120, "make room"),
        ("build", 100, 120, "No space left on device"),
    ],
    ids=["known before", "known when it is built", "met on the way"],
)
def disk(request, shop):
    """A small disk for a folder of the app's, in MiB, and code that does not fit; the words that say so."""
    folder, size, zeros, words = request.param
    (shop.folder / "zeros").write_bytes(b"")
    os.truncate(shop.folder / "zeros", zeros * 1024 * 1024)
    path = f"/var/www/shop/{folder}"
    for host in HOSTS:
        on(host, f"mkdir -p /mnt/small && mount -t tmpfs -o size={size}m tmpfs /mnt/small && cp -a {path}/. /mnt/small")
        on(
            host,
            f"chown --reference {path} /mnt/small && chmod --reference {path} /mnt/small && mount --bind /mnt/small {path}",
        )
    yield words
    for host in HOSTS:
        on(host, f"umount {path} /mnt/small")


def test_a_full_disk_is_refused_and_nothing_is_lost_or_left(shop, disk):
    before = {host: settled(host) for host in HOSTS}
    with nothing_lost():
        shop.refused("app 'shop'", disk)
    assert {host: settled(host) for host in HOSTS} == before


def test_one_host_that_cannot_keeps_all_hosts_from_switching(fleet):
    fleet.write("half a fleet")
    fleet.entry["health"] = {"path": "/health", "timeout": 5}
    before = {host: settled(host) for host in FLEET}
    wrapper = "/usr/local/lib/uwsgi/vassal-exec"
    on(FLEET[-1], f"mv {wrapper} {wrapper}.away")
    try:
        with nothing_lost(FLEET[:1]):
            fleet.refused("another host failed")
    finally:
        on(FLEET[-1], f"mv {wrapper}.away {wrapper}")
    assert {host: settled(host) for host in FLEET} == before


@pytest.fixture
def second(fleet, tmp_path):
    """Another app, which is released in the same run; taken away afterwards."""
    fixture = {"fixture": CHECKOUT / "tests/fixtures/shop", "module": "shop:app", "health": {"path": "/health"}}
    app = App("second", tmp_path / "second", FLEET, **fixture)
    fleet.others = [app.entry]
    fleet.deploy()
    yield app
    app.entry = {"name": "second", "state": "absent"}
    app.deploy()


def no_disk_on_the_last_host():
    """Let the code of one app have no room on one host; returns what puts it right."""
    folder = "/var/www/shop/code"
    on(FLEET[-1], f"mkdir -p /mnt/small && mount -t tmpfs -o size=8m tmpfs /mnt/small && cp -a {folder}/. /mnt/small")
    on(FLEET[-1], f"chown --reference {folder} /mnt/small && chmod --reference {folder} /mnt/small")
    on(FLEET[-1], f"mount --bind /mnt/small {folder}")
    return lambda: on(FLEET[-1], f"umount {folder} /mnt/small")


BROKEN = {
    "when it is staged, on one host": (no_disk_on_the_last_host, {}, "make room"),
    "when it starts": (lambda: lambda: None, {"SHOP_IMPORT_ERROR": "the database is on fire"}, "cannot start"),
}


@pytest.mark.parametrize(("breaks", "env", "words"), BROKEN.values(), ids=BROKEN)
def test_an_app_that_fails_keeps_no_other_from_its_release(fleet, second, breaks, env, words):
    before, seconds = {host: settled(host) for host in FLEET}, {host: live(host, "second") for host in FLEET}
    for app in (fleet, second):
        (app.folder / "VERSION").write_text("next\n")
    fleet.entry["env"] = env
    mend = breaks()
    try:
        with nothing_lost(FLEET):
            run = fleet.refused(
                "app 'shop'", words, "It was not switched: what this host served of it before, it serves on"
            )
    finally:
        mend()
    assert {host: settled(host) for host in FLEET} == before
    assert {line[:2] for line in run.report if line[0].strip("\"'") == "second"} >= {("second", host) for host in FLEET}
    assert all(live(host, "second") not in ("", seconds[host]) for host in FLEET)
