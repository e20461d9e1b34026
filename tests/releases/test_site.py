"""What `site` changes beside the apps, under load: nothing is lost; where something has to restart, the plan says so before."""

import re

import pytest
from conftest import settled
from plays import CHECKOUT, HOSTS, kill, kill_step, live, nothing_lost, on, until

UNIT = CHECKOUT / "roles/uwsgi_emperor/templates/uwsgi-emperor@.service.j2"
EMPEROR = CHECKOUT / "roles/uwsgi_emperor/templates/emperor.ini.j2"
OTHER_UWSGI = {
    "uwsgi_emperor_version": "2.0.30",
    "uwsgi_emperor_checksum": "c12aa652124f062ac216077da59f6d247bd7ef938234445881552e58afb1eb5f",
}


def test_an_unchanged_site_changes_nothing(shop):
    with nothing_lost() as counted:
        run = shop.play("site")
    assert run.status == 0, run.output
    assert set(run.changed) == {0}, run.output
    assert sum(seen.closed_idle for seen in counted) == 0


def test_deploy_and_rollback_see_to_it_that_nginx_runs(shop):
    (host,) = HOSTS
    asked = "curl -s -H 'Host: shop.test' localhost"
    on(host, "systemctl stop nginx")
    assert 0 not in shop.deploy().changed
    assert on(host, asked) == "shop 1"
    assert set(shop.deploy().changed) == {0}
    on(host, "systemctl stop nginx")
    shop.rollback()
    assert on(host, asked).startswith("shop ")
    shop.deploy()
    on(host, "systemctl stop nginx; echo spoilt >/etc/nginx/conf.d/spoilt.conf")
    try:
        shop.refused("nginx", "spoilt.conf")
    finally:
        on(host, "rm /etc/nginx/conf.d/spoilt.conf")
    shop.deploy()
    assert on(host, asked) == "shop 1"


def test_a_changed_setting_of_the_emperors_loses_nothing(shop, tmp_path):
    ours = tmp_path / "my_emperor.ini.j2"
    ours.write_text(EMPEROR.read_text().replace("emperor-curse-tolerance = 60", "emperor-curse-tolerance = 90"))
    pids = [on(host, "systemctl show --property MainPID --value uwsgi-emperor@shop") for host in HOSTS]
    with nothing_lost() as counted:
        run = shop.play("site", uwsgi_emperor_config_template=ours)
    assert run.status == 0, run.output
    assert sum(seen.closed_idle for seen in counted) == 0
    assert [on(host, "systemctl show --property MainPID --value uwsgi-emperor@shop") for host in HOSTS] == pids
    assert shop.play("site").status == 0


def emperor(host, what="MainPID"):
    """What systemd says of the app's Emperor."""
    return on(host, f"systemctl show --property {what} --value uwsgi-emperor@shop").strip()


def test_a_changed_unit_of_the_emperors_is_said_before_and_loses_nothing(shop, tmp_path):
    host, before = HOSTS[0], emperor(HOSTS[0])
    ours = tmp_path / "my@.service.j2"
    ours.write_text(UNIT.read_text().replace("PYTHONNOUSERSITE=1", "PYTHONNOUSERSITE=1 UNIT=changed"))
    run = shop.play("site", "--check", uwsgi_emperor_unit_template=ours)
    assert run.status == 0, run.output
    assert re.search(r"unit of uwsgi-emperor@\*\.service changes.*no request is lost", run.output), run.output
    assert emperor(host) == before
    with nothing_lost() as counted:
        run = shop.play("site", uwsgi_emperor_unit_template=ours)
        assert run.status == 0, run.output
    assert counted[0].closed_idle == 0
    assert emperor(host) != before
    assert on(host, f"grep -c UNIT=changed /proc/{emperor(host)}/environ") == "1\n"
    assert on(host, "ls /run/systemd/system | grep emperor-exchange; ls /run/emperor-flask/vassals", check=False) == ""
    settled(host)
    unchanged = shop.play("site", uwsgi_emperor_unit_template=ours)
    assert (unchanged.status, set(unchanged.changed)) == (0, {0}), unchanged.output
    with nothing_lost():
        assert shop.play("site").status == 0
    assert on(host, f"grep -c UNIT=changed /proc/{emperor(host)}/environ", check=False) == "0\n"


MOMENTS = {
    "when the second Emperor starts": "test -e /run/systemd/system/emperor-exchange-shop.service",
    "when requests go to it": "test $(readlink /var/www/shop/shop_uwsgi.sock) != {socket}",
    "when the Emperor was restarted": "test $(systemctl show --property MainPID --value uwsgi-emperor@shop) != {emperor}",
    "when requests go back": "test $(systemctl show --property MainPID --value uwsgi-emperor@shop) != {emperor} && "
    "test -e /etc/uwsgi/vassals/shop/$(basename $(readlink /var/www/shop/shop_uwsgi.sock) .sock).ini",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_an_exchange_that_dies_is_finished_by_the_next_run_and_the_app_is_served(shop, moment):
    host, before = HOSTS[0], emperor(HOSTS[0])
    moment = moment.format(socket=on(host, "readlink /var/www/shop/shop_uwsgi.sock").strip(), emperor=before)
    marks = "/run/emperor-flask/outdated"
    on(host, f"mkdir -p {marks}; echo -n {emperor(host, 'InvocationID')} > {marks}/uwsgi-emperor@shop.service")
    with nothing_lost():
        process = shop.start("deploy")
        until(lambda: on(host, f"{moment} && echo now", check=False))
        kill(process)
        kill_step(host, "shop")
        shop.deploy()
    assert emperor(host) != before
    assert on(host, "ls /run/systemd/system | grep emperor-exchange", check=False) == ""
    settled(host)
    assert len(on(host, "ls /var/www/shop/secrets").split()) == 1
    assert set(shop.deploy().changed) == {0}


def started_last(host):
    """The version of uWSGI that the app was started with last, by its log."""
    return on(host, "grep -o 'Starting uWSGI [0-9.]*' /var/log/uwsgi/shop/shop_uwsgi.log | tail -n 1").split()[-1]


def test_check_mode_says_that_it_would_release_and_releases_nothing(shop):
    before = live(HOSTS[0])
    shop.write("never")
    assert f"shop on {HOSTS[0]}: would be released: other code" in shop.deploy("--check").output
    assert live(HOSTS[0]) == before


def test_a_new_version_of_uwsgi_is_a_release_and_loses_nothing(shop):
    host, before = HOSTS[0], live(HOSTS[0])
    with nothing_lost() as counted:
        run = shop.play("site", **OTHER_UWSGI)
        assert run.status == 0, run.output
    assert counted[0].closed_idle == 0
    assert live(host) != before
    assert started_last(host) == "2.0.30"
    with nothing_lost():
        assert shop.play("site").status == 0
    assert live(host) == before
    assert started_last(host) == "2.0.31"
    settled(host)
