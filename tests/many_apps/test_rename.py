"""An app gets another name: what it had in shared and its logs are there under the new one, and nothing of the old one is left."""

import copy
import re

import pytest
from conftest import HOST
from plays import FIXTURES, App, kill, live, load, on, until
from test_removal import light

ODD = r"""
cd /var/www/shop/shared
mkdir -p kept/deep/er kept/open && chmod 777 kept/open
echo precious >kept/deep/er/note; printf x >"kept/odd
name"
ln -s /etc/shadow kept/link; mkfifo kept/fifo; ln kept/deep/er/note kept/hard
"""
LEFT = (
    "getent passwd shop _shop; getent group shop _shop; ls -d /var/www/shop /var/log/uwsgi/shop /etc/uwsgi/vassals/shop; "
    "find /etc/systemd /run/systemd/system /etc/nginx /var/lib/emperor-flask /etc/letsencrypt "
    "-name '*[@_-]shop[-_.@]*' -o -name shop -o -name shop.conf; "
    "systemctl list-units --all --plain --no-legend '*shop*'; "
    "ps -eo pid=,args= | grep -e 'www/sho[p]' -e 'vassals/sho[p]' | grep -v getent; true"
)


class Renamed(App):
    """The app as it is before and after."""

    def __init__(self, folder):
        worker = {"name": "pen", "command": "python pen.py", "check": 1, "stop_timeout": 20}
        timer = {"name": "tick", "command": "date >>kept/ticks", "schedule": "*:*:0/2"}
        more = {"processes": 1, "threads": 8, "shared": ["kept"], "workers": [worker], "timers": [timer]}
        super().__init__("shop", folder, [HOST], FIXTURES / "renamed", requirements=[], **more)
        self.before = copy.deepcopy(self.entry)

    def rename(self, **more):
        """Write the new name into the entry."""
        self.entry = {**copy.deepcopy(self.before), "name": "store", "renamed_from": "shop", **more}

    def everything(self, name):
        """Owners, kinds, names and contents of what is in shared, but for what grows."""
        listed = on(
            HOST,
            f"cd /var/www/{name}/shared && find . ! -name page ! -name ticks -printf '%u:%g %m %y %p %l\\n' | sort",
        )
        return listed.replace(f"{name}:{name} ", "its ") + on(HOST, f"cat /var/www/{name}/shared/kept/deep/er/note")


def absent(name):
    """The entry of an app that is to go, with all that it had."""
    return {"name": name, "state": "absent", "keep_shared": False}


@pytest.fixture
def shop(tmp_path):
    """The app under its old name, alone on the host, with files that it has made."""
    app = Renamed(tmp_path / "apps" / "shop")
    app.others = [absent("store")]
    if live(HOST):  # a test that failed has left it
        app.entry = absent("shop")
        app.deploy()
        app.entry = copy.deepcopy(app.before)
    app.deploy(flask_app_prune="true", flask_app_prune_confirm="true")
    app.others = []
    on(HOST, f"cat <<'END' | setpriv --reuid shop --regid shop --clear-groups sh\n{ODD}\nEND")
    on(HOST, "touch /var/www/shop/shared/kept/roots")
    app.numbers = [on(HOST, f"id -u {name}").strip() for name in ("shop", "_shop")]
    return app


@pytest.fixture(scope="module", autouse=True)
def gone(tmp_path_factory):
    """Nothing of the app is left in the end, under either name."""
    yield
    app = Renamed(tmp_path_factory.mktemp("end") / "shop")
    app.entry, app.others = absent("shop"), [absent("store")]
    app.deploy()


def assert_renamed(app, before):
    """What was there is the new name's, its worker writes on where the old one's ended, and the old name is gone."""
    assert app.everything("store") == before
    assert on(HOST, "stat -c %U:%G /var/www/store/shared/kept/roots /etc/shadow") == "root:root\nroot:shadow\n"
    lines = on(HOST, "cat /var/www/store/shared/kept/page").split()
    numbers = [int(line) for line in lines if line != "end"]
    assert "end" in lines and numbers[0] == 0
    assert sorted(set(numbers)) == numbers, "one worker at a time"
    assert on(HOST, LEFT) == ""
    for number in app.numbers:
        assert (
            on(
                HOST,
                f"find / /tmp /dev/shm -xdev -uid {number} -o -xdev -gid {number}; ps -o pid= -U {number}",
                check=False,
            )
            == ""
        )
    assert on(HOST, "curl -s -H 'Host: shop.test' localhost").startswith("shop ")
    until(lambda: on(HOST, "cat /var/www/store/shared/kept/page").split()[-1] != lines[-1])
    ticks = on(HOST, "cat /var/www/store/shared/kept/ticks")
    until(lambda: on(HOST, "cat /var/www/store/shared/kept/ticks") != ticks)
    assert app.deploy(flask_app_prune="true").changed == [0]


def test_an_app_takes_all_that_it_has_along_and_is_away_for_seconds(shop):
    line = "echo 'a line of before' >>/var/log/uwsgi/shop/shop_uwsgi.log"
    on(HOST, f"{line} && logrotate -f /etc/logrotate.d/emperor-flask && {line}")
    logs = on(HOST, "cd /var/log/uwsgi/shop && ls").replace("shop", "store")
    before, entry = shop.everything("shop"), shop.entry
    shop.rename()
    would = shop.deploy("--check", flask_app_prune="true")
    assert "shop on emperor-many-apps: would become store" in would.output.replace(HOST, "emperor-many-apps")
    assert "would be taken away" not in would.output
    shop.others = [entry]
    shop.refused("app 'store': renamed_from is 'shop', which is in flask_apps too")
    shop.others = []
    assert shop.everything("shop") == before
    with load([HOST], 200, "read") as counted:
        run = shop.deploy(flask_app_prune="true")
    assert f"shop on {HOST}: becomes store" in run.output
    (seen,) = counted
    print(
        f"{len(seen.failed)} of {seen.requests + seen.slow} requests failed, none answered for {seen.longest_silence} s"
    )
    assert {re.sub(r"^\S+ \S+: (\d+).*", r"\1", problem, flags=re.DOTALL) for problem in seen.failed} == {"503"}
    assert seen.longest_silence < 60, (
        "ten seconds, of which three are those of a slow request, where the machine does nothing else"
    )
    assert_renamed(shop, before)
    assert on(HOST, "ls /var/log/uwsgi/store") == logs
    assert on(HOST, "grep -c 'a line of before' /var/log/uwsgi/store/store_uwsgi.log*").split() == [
        "/var/log/uwsgi/store/store_uwsgi.log:1",
        "/var/log/uwsgi/store/store_uwsgi.log.1:1",
    ]
    assert on(HOST, "stat -c %U:%G /var/log/uwsgi/store/*").split() == ["store:adm"] * len(logs.split())
    assert '"app": "store", "what": "renamed"' in on(HOST, "tail -n 2 /var/log/emperor-flask/audit.log")


def test_a_release_that_fails_under_the_new_name_gives_everything_back(shop):
    before, first = shop.everything("shop"), live(HOST)
    on(HOST, "touch /var/www/shop/maintenance")
    for wrong in (
        {"hooks": {"before_switch": ["touch kept/more && false"]}},
        {"env": {"SHOP_IMPORT_ERROR": "broken"}},
        {"hooks": {"build": ["false"]}},
    ):
        shop.rename(**wrong)
        shop.refused("what this host served before, it serves on")
        on(HOST, "rm -f /var/www/shop/shared/kept/more")
        assert shop.everything("shop") == before
        assert on(
            HOST,
            "getent passwd store; ls -d /var/www/store; ls /etc/nginx/conf.d/store.conf; ls /var/www/shop/maintenance",
            check=False,
        ) == ("/var/www/shop/maintenance\n")
        assert live(HOST) == first
        lines = on(HOST, "wc -l </var/www/shop/shared/kept/page")
        until(lambda: on(HOST, "wc -l </var/www/shop/shared/kept/page") != lines)  # noqa: B023
    on(HOST, "rm /var/www/shop/maintenance")
    assert on(HOST, "curl -s -H 'Host: shop.test' localhost").startswith("shop ")
    shop.entry = copy.deepcopy(shop.before)
    assert shop.deploy().changed == [0]
    on(HOST, "touch /var/www/shop/maintenance")
    shop.rename()
    shop.deploy()
    assert on(HOST, "ls /var/www/store/maintenance"), "it stays closed"
    shop.entry["maintenance"] = False
    shop.deploy()
    assert_renamed(shop, before)


def test_a_run_that_died_is_finished_by_the_next_one(shop):
    before = shop.everything("shop")
    # What the run that died has started may otherwise work beside what the next one starts.
    alone = [{**shop.entry["workers"][0], "overlap": False}]
    shop.rename(env={"SHOP_IMPORT_SECONDS": "4"}, workers=alone)
    process = shop.start("deploy")
    until(lambda: on(HOST, "ls -d /var/www/store/shared/kept/deep", check=False))
    kill(process)
    shop.entry = copy.deepcopy(shop.before)
    shop.refused("app 'shop': a run that died was making it 'store'", "say name: store and renamed_from: shop")
    shop.rename(workers=alone)
    shop.deploy()
    assert_renamed(shop, before)


def test_a_run_that_died_after_the_switch_is_finished_by_the_next_one(shop):
    before = shop.everything("shop")
    shop.rename(hooks={"before_switch": ["sleep 811 || true"]})
    process = shop.start("deploy")
    until(lambda: on(HOST, "ls -d /var/www/store/shared/kept/deep", check=False))
    until(lambda: on(HOST, "pgrep -fx 'sleep 811'", check=False))
    on(HOST, "mkdir -p /var/www/shop/shared")  # with that the old name is not taken away
    on(HOST, "pkill -fx 'sleep 811'")
    output, _unused = process.communicate()
    assert "/var/www/shop/shared is there again" in output and process.returncode != 0
    assert on(HOST, "curl -s -H 'Host: shop.test' localhost").startswith("shop ")
    on(HOST, "rmdir /var/www/shop/shared")
    would = " ".join(shop.deploy("--check").output.split())
    assert "would be released: it is still to take over what is on this host as ''shop''" in would
    shop.deploy()
    assert_renamed(shop, before)


def test_two_apps_do_not_become_one(shop):
    shop.others = [light("store")]
    shop.deploy()
    before = shop.everything("shop")
    shop.others = []
    shop.rename()
    shop.refused("'shop' and 'store' are both on this host", "Nothing was changed")
    assert shop.everything("shop") == before
