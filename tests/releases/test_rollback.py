"""Back to a release that is still on the hosts, under load."""

from plays import HOSTS, live, nothing_lost, on

SECRET = "curl -s -H 'Host: shop.test' localhost/environment/SHOP_KEY"
COLOUR = "curl -s -H 'Host: shop.test' localhost/environment/SHOP_COLOUR"


def test_a_rollback_brings_code_and_environment_back_and_leaves_secrets_as_they_are(shop):
    before = {host: live(host) for host in HOSTS}
    shop.write("two")
    shop.entry["env"] = {"SHOP_COLOUR": "blue"}
    shop.deploy()
    shop.entry["secrets"] = {"SHOP_KEY": "rotated in between"}
    shop.deploy()
    with nothing_lost() as counted:
        run = shop.rollback()
    assert {host: live(host) for host in HOSTS} == before == {host: new for _, host, _, new in run.report}
    assert all(set(seen.versions) == {"shop 1", "shop two"} for seen in counted)
    assert [on(host, COLOUR) for host in HOSTS] == ["nothing"] * len(HOSTS)
    assert [on(host, SECRET) for host in HOSTS] == ["rotated in between"] * len(HOSTS)


def test_a_rollback_at_once_after_a_release_and_then_to_one_three_back(shop):
    oldest = {host: live(host) for host in HOSTS}
    for version in ("two", "three", "four"):
        shop.write(version)
        shop.deploy()
    three = {host: on(host, "ls -t /var/www/shop/releases").split()[1] for host in HOSTS}
    shop.write("five")
    with nothing_lost():
        shop.deploy()
        shop.rollback()
        assert {host: live(host) for host in HOSTS} != three
        shop.rollback()
        assert {host: live(host) for host in HOSTS} == three
        for release in set(oldest.values()):
            shop.refused(f"no release '{release}'", playbook="rollback", app="shop", release=release)
        named = on(HOSTS[0], "ls -t /var/www/shop/releases").split()[0]
        shop.rollback(release=named)
    assert live(HOSTS[0]) == named


def test_a_rollback_to_nowhere_lists_what_there_is(shop):
    before = {host: live(host) for host in HOSTS}
    run = shop.refused("no release 'abc'", before[HOSTS[0]], playbook="rollback", app="shop", release="abc")
    assert "activation" not in run.output, "the plan is not for people"
    shop.refused("no app 'shpo'", "-e app=NAME", "shop", playbook="rollback", app="shpo")
    assert {host: live(host) for host in HOSTS} == before
