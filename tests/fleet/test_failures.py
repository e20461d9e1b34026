"""What breaks in the middle: a server, the network, the controller, a balancer. Failed requests are those that were in hand where it broke."""

import subprocess

from conftest import BALANCERS, FIRST, RATE, SECOND, SERVERS, THIRD, Posted, answers, assert_level, takes, versions
from plays import kill, live, load, nothing_lost, on, until


def docker(*words):
    """Do something to a host from outside."""
    subprocess.run(["docker", *words], check=True, capture_output=True)


def test_a_server_that_is_killed_loses_what_it_had_in_hand_and_comes_back_by_itself(shop):
    with load(BALANCERS, RATE) as counted:
        docker("kill", THIRD)
        docker("start", THIRD)
        until(lambda: on(THIRD, "systemctl is-active uwsgi-emperor@shop nginx", check=False) == "active\nactive\n")
        before = answers(THIRD)
        until(lambda: answers(THIRD) > before)
    for seen in counted:
        print(seen.failed)
        # A body that was on its way is sent to nobody else, and a balancer has that of one client in twenty.
        assert len(seen.failed) <= 2 and all("502" in problem for problem in seen.failed), seen
    assert versions() == [versions()[0]] * 3 and takes(THIRD) == [True, True]
    assert_level()


def test_a_server_that_is_cut_off_amid_a_release_takes_the_others_back(shop, cut_off):
    before, old = list(map(live, SERVERS)), versions()[0]
    shop.write(10)
    shop.entry["env"] = {"SHOP_HEALTH_SECONDS": "3"}
    with load(BALANCERS, RATE) as counted:
        process = shop.start("deploy")
        until(lambda: on(THIRD, "ls /etc/uwsgi/vassals/shop | wc -l") == "2\n")
        cut_off()
        output, _ = process.communicate()
    print(output)
    assert process.returncode != 0 and "Nothing was switched" in output, output
    for seen in counted:
        print(seen.failed)
        assert len(seen.failed) <= 16, seen  # each of the load's connections had one in hand
    assert list(map(live, SERVERS[:2])) == before[:2] and versions()[:2] == [old] * 2
    assert takes(THIRD) == [True, True]  # it was not told to switch, so it serves what the others serve


def bring_level(shop):
    """The next run brings all servers level, and loses nothing."""
    shop.write(11)
    with nothing_lost(BALANCERS, RATE):
        shop.deploy()
    assert versions() == ["shop 11"] * 3 and takes(THIRD) == [True, True]
    assert_level()


def test_the_next_run_finishes_what_was_begun_there(shop):
    bring_level(shop)


def test_a_switch_that_fails_on_one_server_takes_back_those_that_have_switched(shop):
    before = list(map(live, SERVERS))
    shop.write("bad")
    shop.entry |= {"env": {"SHOP_HEALTH_SECONDS": "3"}, "client_max_body_size": "70m"}
    with nothing_lost(BALANCERS, RATE) as counted:
        process = shop.start("deploy")
        until(lambda: on(THIRD, "ls /etc/uwsgi/vassals/shop | wc -l") == "2\n")
        on(THIRD, "echo broken >/etc/nginx/conf.d/theirs.conf")
        output, _ = process.communicate()
        on(THIRD, "rm /etc/nginx/conf.d/theirs.conf")
    print(output)
    assert any("shop bad" in seen.versions for seen in counted), "those that could have switched"
    assert process.returncode != 0 and "theirs.conf" in output, output
    assert list(map(live, SERVERS)) == before and versions() == ["shop 11"] * 3
    shop.write(11)
    del shop.entry["env"], shop.entry["client_max_body_size"]
    shop.deploy()
    assert versions() == ["shop 11"] * 3 and [takes(server) for server in SERVERS] == [[True, True]] * 3
    assert_level()


def test_a_server_without_its_app_is_passed_over_and_an_apps_own_502_takes_no_server_away(shop):
    own = "curl -s -H 'Host: shop.test' -w ' %{http_code}' localhost/gateway"
    on(SECOND, "systemctl stop uwsgi-emperor@shop")
    with nothing_lost(BALANCERS, RATE, "read"):
        for _ in range(2 * len(SERVERS)):
            assert on(BALANCERS[0], own) == "not nginx's 502"
    shop.deploy()
    assert versions() == ["shop 11"] * 3


def test_what_is_posted_to_a_server_that_dies_is_done_by_no_other(shop):
    posted = Posted(9, 3)
    on(SECOND, "systemctl kill --signal=KILL uwsgi-emperor@shop")
    lost = posted.of(SECOND)
    assert lost and posted.statuses() == ["502" if name in lost else "200" for name in posted.names], lost
    assert posted.noted() == posted.names
    idle = "ss -Htn state established '( dport = :80 )' | wc -l"
    assert int(on(BALANCERS[0], idle)) > 0, "connections to the servers are kept"
    shop.deploy()


def test_a_server_that_is_lost_after_all_have_switched_takes_the_others_back_and_stays_out(shop, cut_off):
    before, old = list(map(live, SERVERS)), versions()[0]
    shop.write("lost")
    process = shop.start("deploy", flask_app_canary=3, flask_app_canary_seconds=20)
    until(lambda: versions() == ["shop lost"] * 3)
    cut_off()
    output, _ = process.communicate()
    assert process.returncode != 0, output
    assert list(map(live, SERVERS[:2])) == before[:2] and versions()[:2] == [old] * 2
    assert takes(THIRD) == [False, False] and takes(FIRST) == [True, True]


def test_the_run_after_that_brings_it_level(shop):
    bring_level(shop)


def test_what_a_controller_left_between_two_switches_is_finished_by_the_next_run(shop):
    shop.write(12)
    with nothing_lost(BALANCERS, RATE):
        process = shop.start("deploy", flask_app_canary=1, flask_app_canary_seconds=100)
        until(lambda: versions()[0] == "shop 12")
        kill(process)
        assert versions() == ["shop 12", "shop 11", "shop 11"]
        shop.deploy()
    assert versions() == ["shop 12"] * 3
    assert_level()
    for server in (FIRST, SECOND, THIRD):
        assert on(server, "ls /etc/uwsgi/vassals/shop | wc -l") == "1\n"
