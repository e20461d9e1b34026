"""Releases under load: whatever changes, no request is lost."""

import os

from conftest import settled
from plays import FLEET, HOSTS, live, load, nothing_lost, on, until

LOG = "/var/log/uwsgi/shop/shop_uwsgi.log"
ROW = int(os.environ.get("EMPEROR_ROW", "8"))


def packages(hosts):
    """The live release's virtual environment, host by host."""
    return [on(host, "readlink /var/www/shop/current/venv") for host in hosts]


def test_good_releases_lose_nothing_and_code_alone_runs_no_installer(fleet):
    before, before_packages = {host: live(host) for host in FLEET}, packages(FLEET)
    with nothing_lost(FLEET) as counted:
        fleet.write("good")
        run = fleet.deploy()
        assert {host: old for _, host, old, _ in run.report} == before
        assert {host: new for _, host, _, new in run.report} == {host: live(host) for host in FLEET}
        assert packages(FLEET) == before_packages
        fleet.entry["env"] = {"SHOP_COLOUR": "blue", "SHOP_IMPORT_SECONDS": "5"}
        fleet.deploy()
        (fleet.folder / "requirements.txt").write_text("Flask==3.1.3\nitsdangerous==2.2.0\n")
        fleet.deploy()
        assert not set(packages(FLEET)) & set(before_packages)
    for seen in counted:
        assert seen.closed_idle == 0, "nginx has nothing to reload"
        assert set(seen.versions) == {"shop 1", "shop good"}


def test_a_changed_setting_of_nginx_reloads_it_and_fails_no_new_connection(fleet):
    fleet.entry["nginx_extra"] = 'add_header X-Shop "changed" always; server_name shop.test;'
    with load(FLEET) as counted:
        run = fleet.deploy()
    assert 'nginx warns: conflicting server name "shop.test"' in run.output
    for seen in counted:
        assert seen.failed == [], seen
    # keepalive_min_timeout, which Debian testing's nginx has
    assert counted[-1].closed_idle == 0
    asked = "curl -sI -H 'Host: shop.test' localhost | grep -c X-Shop"
    assert [on(host, asked) for host in FLEET] == ["1\n"] * len(FLEET)


def test_a_rotated_secret_is_a_new_activation_of_the_same_release(shop):
    before = {host: live(host) for host in HOSTS}
    shop.entry["secrets"] = {"SHOP_KEY": "second key"}
    with nothing_lost():
        shop.deploy()
    asked = "curl -s -H 'Host: shop.test' localhost/environment/SHOP_KEY"
    assert [on(host, asked) for host in HOSTS] == ["second key"] * len(HOSTS)
    assert {host: live(host) for host in HOSTS} == before
    # The end of the old one stays where it is, however many releases make systemd read its units.
    ends = "systemctl show --value --property=NextElapseUSecRealtime 'emperor-end-shop-*.timer'"
    due = set(on(HOSTS[0], ends).split("\n"))
    on(HOSTS[0], "systemctl daemon-reload")
    left = set(on(HOSTS[0], ends).split("\n"))  # one may be over meanwhile
    assert left - {""} and left <= due


def used(host):
    """What the app takes once each worker has loaded it: KiB of disk, processes, KiB of memory (each shared part counted once)."""
    until(lambda: on(host, f"grep -c ') ready in' {LOG}", check=False).strip() == "2")
    disk = on(host, "du -sk /var/www/shop | cut -f1")
    processes = on(host, "pgrep -u shop --runstates RSD").split()  # none that has ended and waits for its parent
    memory = on(
        host,
        f"cat {' '.join(f'/proc/{pid}/smaps_rollup' for pid in processes)} | awk '/^Pss:/ {{n += $2}} END {{print n}}'",
    )
    return int(disk), len(processes), int(memory)


def test_releases_in_a_row_keep_what_keep_releases_says_and_leave_the_rest_flat(shop):
    keep = shop.entry["keep_releases"]
    for number in range(ROW):
        shop.write(f"row {number}")
        for host in HOSTS:
            on(host, f": >{LOG}")
        shop.deploy()
        left = {host: settled(host) for host in HOSTS}
        if number == keep - 1:
            full = {host: used(host) for host in HOSTS}
    for host in HOSTS:
        for store, count in (("releases", keep), ("code", keep), ("secrets", 1)):
            assert len(on(host, f"ls -A /var/www/shop/{store}").split()) == count, f"{store}: {left[host]}"
        now = used(host)
        print(
            f"\n{host} after {ROW} releases: KiB of disk, processes, KiB of memory: {now}; after {keep}: {full[host]}"
        )
        (disk, processes, memory), (disk_now, processes_now, memory_now) = full[host], now
        assert processes_now == processes, on(host, "ps -u shop -o pid,ppid,args")
        assert disk_now < disk * 1.2 and memory_now < memory * 1.5, (now, full[host])
