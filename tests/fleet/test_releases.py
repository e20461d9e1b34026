"""Releases over a fleet, under load that comes through its balancers."""

from conftest import (
    BALANCERS,
    FIRST,
    FOURTH,
    RATE,
    SECOND,
    SERVERS,
    THIRD,
    assert_level,
    takes,
    versions,
    write_inventory,
)
from plays import FIXTURES, App, live, load, nothing_lost, on, until


def test_a_release_over_the_fleet_loses_nothing_and_a_second_run_changes_nothing(shop):
    before = versions()
    shop.write(1)
    told = shop.play("deploy", "--check")
    assert told.status == 0 and versions() == before, told.output
    assert [changed > 0 for changed in told.changed] == [False, False, True, True, True]
    with nothing_lost(BALANCERS, RATE) as counted:
        shop.deploy()
    assert all(seen.versions.keys() > {"shop 1"} for seen in counted), counted
    assert versions() == ["shop 1"] * 3
    assert_level()
    assert shop.play("site").changed == [0] * 5


def test_a_release_that_is_broken_on_one_server_is_released_on_none(shop):
    before = list(map(live, SERVERS))
    shop.write(2)
    shop.entry["env"] = {"SHOP_HEALTH": f"{{{{ 500 if inventory_hostname == '{SECOND}' else 200 }}}}"}
    with nothing_lost(BALANCERS, RATE) as counted:
        shop.refused("it answers 500", "Nothing was switched")
    assert all("shop 2" not in seen.versions for seen in counted)
    assert list(map(live, SERVERS)) == before
    assert [takes(server) for server in SERVERS] == [[True, True]] * 3
    assert_level()


def test_a_server_of_another_fleet_is_taken_over_by_no_second_inventory(shop):
    before = list(map(live, SERVERS))
    shop.write("of another fleet")
    write_inventory(SERVERS, [FOURTH])
    shop.hosts = [*SERVERS, FOURTH]
    run = shop.play("site")
    write_inventory(SERVERS)
    assert run.status != 0 and f"host '{FIRST}' serves behind the balancers" in run.output, run.output
    assert set(run.changed) == {0}
    assert list(map(live, SERVERS)) == before and takes(FIRST) == [True, True]


def test_hooks_run_once_whatever_the_limit(shop, monkeypatch):
    shop.write(3)
    shop.entry["hooks"] = {"before_switch": ["echo once >>instance/hooks"]}
    counted = "cat /var/www/shop/shared/instance/hooks | wc -l"
    for server in SERVERS:
        on(server, "rm -f /var/www/shop/shared/instance/hooks")
    for server in (FIRST, SECOND):
        shop.hosts = [server]
        shop.deploy()
    shop.hosts = [*SERVERS, *BALANCERS]
    differs = shop.play("status")
    assert differs.status != 0 and "[differs]" in differs.output, differs.output
    monkeypatch.setenv("ANSIBLE_FORKS", "1")
    shop.deploy()
    assert versions() == ["shop 3"] * 3
    assert [int(on(server, counted, check=False) or 0) for server in SERVERS] == [1, 0, 0]
    assert_level()


def test_hooks_run_once_in_a_play_that_takes_one_server_after_the_other(shop):
    shop.write("3, one by one")
    shop.entry["hooks"] = {"before_switch": ["echo once >>instance/serial"]}
    shop.hosts = SERVERS
    with nothing_lost(BALANCERS, RATE):
        run = shop.play("../tests/fleet/one_by_one")
    assert run.status == 0, run.output
    assert versions() == ["shop 3, one by one"] * 3
    counted = "cat /var/www/shop/shared/instance/serial | wc -l"
    assert [int(on(server, counted, check=False) or 0) for server in SERVERS] == [1, 0, 0]


def test_what_fails_late_in_such_a_play_leaves_the_servers_before_it_in_the_balancers(shop):
    old = versions()[2]
    shop.write("3, failing late")
    shop.entry["env"] = {"SHOP_HEALTH": f"{{{{ 500 if inventory_hostname == '{THIRD}' else 200 }}}}"}
    shop.hosts = SERVERS
    shop.refused("it answers 500", playbook="../tests/fleet/one_by_one")
    assert versions() == ["shop 3, failing late"] * 2 + [old]
    assert [takes(server) for server in SERVERS] == [[True, True]] * 3


def test_an_app_that_fails_keeps_no_other_from_the_balancers(shop, tmp_path):
    other = App(
        "blog", tmp_path / "blog", SERVERS, fixture=FIXTURES / "shop", module="shop:app", processes=1, threads=2
    )
    shop.write("ill")
    shop.entry["env"] = {"SHOP_HEALTH": "500"}
    shop.others = [other.entry]
    shop.refused("blog on", "app 'shop': the release", "It was not switched")
    asked = "curl -s -H 'Host: blog.test' localhost"
    assert [on(balancer, asked) for balancer in BALANCERS] == ["shop 1"] * 2
    assert [takes(server) for server in SERVERS] == [[True, True]] * 3
    shop.others = [{"name": "blog", "state": "absent", "keep_shared": False}]
    shop.entry["env"] = {}
    shop.deploy()
    shop.others = []
    assert versions() == ["shop ill"] * 3
    assert_level()


def test_what_is_wrong_for_all_is_refused_for_all_however_few_servers_may_take_part(shop):
    before = list(map(live, SERVERS))
    shop.write("with a wrong address")
    write_inventory(SERVERS, loopback=BALANCERS[1])
    shop.refused(f"host '{BALANCERS[1]}': its address is 127.0.0.1", fleet_min_healthy=2)
    write_inventory(SERVERS)
    assert list(map(live, SERVERS)) == before
    assert [takes(server) for server in SERVERS] == [[True, True]] * 3


def test_a_server_that_is_away_serves_nothing_old_when_it_comes_back(shop, cut_off):
    shop.write(4)
    cut_off()
    before = list(map(live, SERVERS[:2]))
    shop.entry["system_packages"] = ["tree"]
    for playbook in ("deploy", "site"):
        shop.refused(THIRD, "fleet_min_healthy=2", playbook=playbook)
    assert on(FIRST, "dpkg --status tree 2>/dev/null", check=False) == "", "nothing was changed"
    del shop.entry["system_packages"]
    on(BALANCERS[1], "systemctl stop ssh; pkill sshd")
    shop.refused(BALANCERS[1], "may serve its visitors: stop it, or take it out of the inventory", fleet_min_healthy=2)
    on(BALANCERS[1], "systemctl start ssh")
    assert list(map(live, SERVERS[:2])) == before
    shop.play("deploy", fleet_min_healthy=2)
    assert versions()[:2] == ["shop 4"] * 2 and versions()[2] != "shop 4"
    assert takes(THIRD) == [False, False]
    shop.refused(THIRD, "fleet_min_healthy=2", playbook="rollback", app="shop")
    shop.play("rollback", app="shop", fleet_min_healthy=2)
    assert list(map(live, SERVERS[:2])) == before
    shop.play("deploy", fleet_min_healthy=2)


def test_a_server_that_was_away_is_brought_level_and_gets_requests_again(shop):
    assert versions()[2] != "shop 4" and takes(THIRD) == [False, False]
    with nothing_lost(BALANCERS, RATE) as counted:
        shop.write(4)
        shop.deploy()
    assert all(seen.versions.keys() == {"shop 4"} for seen in counted), counted
    assert versions() == ["shop 4"] * 3 and takes(THIRD) == [True, True]


def test_a_canary_that_answers_worse_takes_the_release_back_everywhere(shop):
    before = list(map(live, SERVERS))
    shop.write(5)
    shop.entry["env"] = {"SHOP_STATUS": "500"}
    with load(BALANCERS, RATE) as counted:
        shop.refused(
            "requests were answered with 5xx since the switch", flask_app_canary=1, flask_app_canary_seconds=20
        )
    assert list(map(live, SERVERS)) == before and versions() == ["shop 4"] * 3
    for seen in counted:
        assert seen.failed and all("500: shop 5" in problem for problem in seen.failed), seen


def test_a_canary_that_answers_well_is_followed_by_the_others(shop):
    shop.write(6)
    static = shop.folder / "static"
    static.mkdir()
    shop.entry["static"] = {"/static": "static"}
    (static / "app.111111111111.css").touch()
    shop.deploy()
    (static / "app.111111111111.css").rename(static / "app.222222222222.css")
    pages = "/static/app.111111111111.css /static/app.222222222222.css"
    ask = f"for page in {pages}; do curl -s -o /dev/null -w '%{{http_code}} ' -H 'Host: shop.test' localhost$page; done"
    with nothing_lost(BALANCERS, RATE):
        process = shop.start("deploy", flask_app_canary=1, flask_app_canary_seconds=8)
        until(lambda: live(FIRST) != live(SECOND))
        # The canary's pages ask every server for their files.
        assert [on(server, ask) for server in SERVERS] == ["200 200 "] * 3
        output, _ = process.communicate()
    assert process.returncode == 0 and "in 8 seconds, 0 of them answered with 5xx" in output, output
    assert len({live(server) for server in SERVERS}) == 1
    assert [on(server, ask) for server in SERVERS] == ["200 200 "] * 3
