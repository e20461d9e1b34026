"""What changes on the machines: their system, and which of them there are."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BALANCERS, FOURTH, RATE, SERVERS, Posted, answers, assert_level, takes, write_inventory
from plays import FLEET, live, nothing_lost, on

BEGAN = "systemctl show --property=UserspaceTimestamp"


def test_a_change_of_nginx_goes_from_server_to_server_and_loses_nothing(shop):
    out = set()
    with nothing_lost(BALANCERS, RATE), ThreadPoolExecutor() as pool:
        run = pool.submit(shop.play, "upgrade", nginx_client_connections=300, prerequisites_upgrade="false")
        while not run.done():
            away = [server for server in SERVERS if takes(server) != [True, True]]
            assert len(away) <= 1, away
            out |= {*away}
            time.sleep(0.3)
        assert run.result().status == 0, run.result().output
    assert out == {*SERVERS} and [takes(server) for server in SERVERS] == [[True, True]] * 3
    for host in FLEET:
        assert "limit_conn emperor_clients 300;" in on(host, "cat /etc/nginx/emperor_limits")
    assert_level()


def test_the_first_server_that_fails_is_the_last_that_is_changed(shop):
    on(SERVERS[1], "echo broken >/etc/nginx/conf.d/theirs.conf")
    with nothing_lost(BALANCERS, RATE):
        run = shop.play("upgrade", nginx_client_connections=400, prerequisites_upgrade="false")
    on(SERVERS[1], "rm /etc/nginx/conf.d/theirs.conf")
    assert run.status != 0 and "nginx-refuses" in run.output, run.output
    limits = [on(server, "cat /etc/nginx/emperor_limits") for server in SERVERS]
    assert ["400" in text for text in limits] == [True, False, False]
    assert [takes(server) for server in SERVERS] == [[True, True], [False, False], [True, True]]
    run = shop.play("upgrade", fleet_min_healthy=3, prerequisites_upgrade="false")
    assert run.status != 0 and "fleet_min_healthy is 3" in run.output, run.output
    assert shop.deploy() and takes(SERVERS[1]) == [True, True]


@pytest.fixture
def ill():
    """The app on the second server answers its health request with 500; returns what ends that."""
    path = "/var/www/shop/shared/instance/ill"
    on(SERVERS[1], f"touch {path}")
    yield lambda: on(SERVERS[1], f"rm -f {path}")
    on(SERVERS[1], f"rm -f {path}")


def test_a_server_whose_app_is_ill_after_its_change_stays_out(shop, ill):
    shop.hosts = [SERVERS[1]]
    with nothing_lost(BALANCERS, RATE):
        run = shop.play("upgrade", prerequisites_upgrade="false")
    assert run.status != 0 and "health" in run.output and "500" in run.output, run.output
    assert [takes(server) for server in SERVERS] == [[True, True], [False, False], [True, True]]
    shop.hosts = FLEET
    told = shop.play("doctor")
    assert told.status != 0 and "[health]" in told.output and "[out]" in told.output, told.output
    ill()
    shop.hosts, began = [SERVERS[1]], on(SERVERS[1], BEGAN)
    run = shop.play("upgrade", reboot="needed", prerequisites_upgrade="false")
    assert run.status == 0, run.output
    assert on(SERVERS[1], BEGAN) == began, "no system has asked for a restart"
    shop.hosts = FLEET
    assert shop.deploy() and takes(SERVERS[1]) == [True, True]


@pytest.mark.parametrize("reboot", ["true", "needed"])
def test_a_server_that_restarts_gets_requests_when_it_serves_again(shop, reboot):
    before = on(SERVERS[0], BEGAN)
    shop.hosts = [SERVERS[0]]
    on(SERVERS[0], "touch /run/reboot-required" if reboot == "needed" else "")
    posted = Posted(6, 30)  # seconds, in which it would have restarted if it did not wait for them
    with nothing_lost(BALANCERS, RATE):
        run = shop.play("upgrade", reboot=reboot)
        assert run.status == 0, run.output
    assert on(SERVERS[0], BEGAN) != before and takes(SERVERS[0]) == [True, True]
    assert posted.of(SERVERS[0]) and posted.statuses() == ["200"] * 6 and posted.noted() == posted.names


def test_a_server_is_not_taken_out_while_too_few_others_answer(shop, cut_off):
    shop.hosts = [SERVERS[0]]
    on(SERVERS[1], "systemctl stop nginx")
    said = f"{SERVERS[2]} would be left for app 'shop', but fleet_min_healthy is 2"
    shop.refused(said, playbook="upgrade", fleet_min_healthy=2, prerequisites_upgrade="false")
    on(SERVERS[1], "systemctl start nginx")
    cut_off()  # the third
    said = f"{SERVERS[1]} would be left for app 'shop', but fleet_min_healthy is 2"
    shop.refused(said, playbook="upgrade", fleet_min_healthy=2, prerequisites_upgrade="false")
    assert takes(SERVERS[0]) == [True, True]


def test_a_word_that_reboot_does_not_have_changes_nothing(shop):
    refused = shop.refused("reboot is 'maybe'; say needed", playbook="upgrade", reboot="maybe")
    assert set(refused.changed) == {0}


@pytest.fixture
def four(shop):
    """A fourth server in the inventory, and not in it afterwards."""
    write_inventory([*SERVERS, FOURTH])
    shop.hosts = [*FLEET, FOURTH]
    yield shop
    write_inventory(SERVERS)


def test_a_server_that_joins_gets_requests_when_it_has_the_release_of_the_others(four):
    with nothing_lost(BALANCERS, RATE):
        run = four.play("site")
    assert run.status == 0, run.output
    assert takes(FOURTH) == [True, True]
    assert answers(FOURTH) > 0
    # It has another system and Python, so the release is another one, of the same code.
    assert live(FOURTH) != live(SERVERS[0])
    code = "readlink /var/www/shop/current/code"
    assert on(FOURTH, code) == on(SERVERS[0], code)
    assert "[differs]" not in four.play("status").output
    assert four.play("site").changed == [0] * 6


@pytest.fixture
def one(shop):
    """An inventory of one server, behind the balancers; all are back afterwards."""
    write_inventory(SERVERS[:1])
    shop.hosts = [*BALANCERS, SERVERS[0]]
    yield shop
    write_inventory(SERVERS)
    shop.hosts = FLEET
    run = shop.play("site")
    assert run.status == 0 and [takes(server) for server in SERVERS] == [[True, True]] * 3, run.output
    assert_level()


def test_servers_that_leave_get_no_requests_any_more_and_the_last_is_upgraded_in_its_place(one):
    with nothing_lost(BALANCERS, RATE):
        run = one.play("upgrade", prerequisites_upgrade="false")
        assert run.status == 0, run.output
        before = answers(FOURTH)
    assert answers(FOURTH) - before <= 4  # those of 3 seconds that it had in hand
    for balancer in BALANCERS:
        assert FOURTH not in on(balancer, "ls /etc/nginx/emperor_servers; cat /etc/nginx/conf.d/*")
