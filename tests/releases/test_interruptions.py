"""Whoever is killed, and whatever restarts, the next run ends green and nothing is left over."""

import os
import random
import time

import pytest
from conftest import settled
from plays import HOSTS, kill, live, nothing_lost, on, until

SEED = int(os.environ.get("EMPEROR_SEED", time.time()))
KILLS = int(os.environ.get("EMPEROR_KILLS", "3"))
MOMENTS = [round(random.Random(SEED + number).uniform(0.5, 9), 2) for number in range(KILLS)]


@pytest.mark.parametrize("moment", MOMENTS, ids=[f"seed-{SEED}-after-{moment}s" for moment in MOMENTS])
def test_a_killed_controller_is_taken_over_at_once(shop, moment):
    shop.write(f"killed {moment}")
    shop.entry["env"] = {"SHOP_IMPORT_SECONDS": "2"}
    shop.entry["hooks"] = {"build": ["sleep 2"]}
    with nothing_lost():
        process = shop.start("deploy")
        time.sleep(moment)
        kill(process, alone=MOMENTS.index(moment) % 2 == 0)
        shop.deploy()
    _assert_settled(shop)


def test_what_a_killed_controller_left_of_a_build_is_ended(shop):
    """Its process alone is killed: the one that took the step goes on without it, and must not do so in another's name."""
    shop.write("killed while it built")
    shop.entry["hooks"] = {"build": ["sleep 3210"]}
    process = shop.start("deploy")
    until(lambda: on(HOSTS[0], "pgrep -u _shop -x sleep", check=False))
    kill(process, alone=True)
    shop.entry["hooks"] = {}
    shop.deploy()
    assert on(HOSTS[0], "pgrep -u _shop", check=False) == ""
    _assert_settled(shop)


def _assert_settled(shop):
    for host in HOSTS:
        assert settled(host).count("socket") == 1
        assert len(on(host, "ls /var/www/shop/secrets").split()) == 1
        assert ".partial" not in settled(host)
        assert on(host, "ls -A /var/www/shop/build") == ""
    assert set(shop.deploy().changed) == {0}


def test_two_releases_at_once_do_not_mix(shop):
    shop.write("first")
    shop.entry["hooks"] = {"before_switch": ["until [ -e instance/go ]; do sleep 0.2; done"]}
    with nothing_lost():
        first = shop.start("deploy")
        until(lambda: on(HOSTS[0], "cat /var/lib/emperor-flask/locks/shop").strip())
        shop.write("second")
        shop.refused("app 'shop'", "is releasing it, since")
        on(HOSTS[0], "touch /var/www/shop/shared/instance/go")
        output, _ = first.communicate()
        assert first.returncode == 0, output
    on(HOSTS[0], "rm /var/www/shop/shared/instance/go")
    asked = "curl -s -H 'Host: shop.test' localhost/"
    assert [on(host, asked) for host in HOSTS] == ["shop first"] * len(HOSTS)


def test_a_host_that_restarts_while_staging_comes_back_on_the_old_release(shop, restart):
    before = live(HOSTS[0])
    (shop.folder / "requirements.txt").write_text("Flask==3.1.3\nclick==8.1.8\n")
    process = shop.start("deploy")
    until(lambda: on(HOSTS[0], "ls -A /var/www/shop/build"))
    restart(HOSTS[0])
    output, _ = process.communicate()
    assert process.returncode != 0, output
    assert live(HOSTS[0]) == before
    shop.deploy()
    assert live(HOSTS[0]) != before
    assert ".partial" not in settled(HOSTS[0])
