"""An app that is to be absent goes with everything it has left, wherever; its number is never another's."""

import pytest
from conftest import Hostile
from plays import FLEET, nothing_lost, on

# From inside of the box and, where there is an outside of it, from there too: as an app did that ran before there was a box.
LEAVE = """
setpriv --reuid hostile --regid hostile --clear-groups sh -c '
  for place in /tmp /var/tmp /dev/shm /run/lock; do mkdir $place/left && touch $place/left/file; done
  ipcmk --shmem 1000 --queue --semaphore 1 >/dev/null
  setsid sleep 6666 >/dev/null 2>&1 &
  cd /var/www/hostile/shared && python3 -c "
import os
for _ in range(3000): os.mkdir(\\"d\\"); os.chdir(\\"d\\")"'
echo '* * * * * true' >/tmp/crontab && mkdir -p /var/spool/cron/crontabs && install -o hostile -m 600 /tmp/crontab /var/spool/cron/crontabs/hostile
mkdir -p /var/lib/systemd/linger && touch /var/lib/systemd/linger/hostile
"""
FIND = "find / -xdev \\( -uid {0} -o -uid {1} -o -name '*hostile*' \\) -not -path '/proc/*' -not -path '/sys/*' -not -path '/var/log/journal/*'"


@pytest.fixture
def leaving(neighbour, tmp_path):
    """The app on all hosts, about to go."""
    hostile = Hostile(tmp_path / "hostile")
    hostile.deploy()
    return hostile


def test_an_absent_app_leaves_neither_processes_nor_files_nor_its_number(leaving):
    numbers = {host: on(host, "id -u hostile; id -u _hostile").split() for host in FLEET}
    for host in FLEET:
        leaving.run(host, "import subprocess; subprocess.Popen('trap \"\" TERM HUP; setsid sleep 7777', shell=True)")
        on(host, LEAVE)
    entry = leaving.entry
    leaving.entry = {"name": "hostile", "state": "absent", "keep_shared": False}
    with nothing_lost(FLEET, 60):
        leaving.deploy()
    for host in FLEET:
        own, builders = numbers[host]
        assert on(host, "pgrep -f 'sleep (6666|7777)'", check=False) == ""
        assert on(host, FIND.format(own, builders)) == ""
        assert on(host, f"ipcs --shmems --queues --semaphores | grep -w {own}", check=False) == ""
        assert (
            on(
                host,
                "getent passwd hostile _hostile; systemctl list-units --all --plain --no-legend '*hostile*'",
                check=False,
            )
            == ""
        )
    leaving.entry = entry
    leaving.deploy()
    for host in FLEET:
        assert not set(on(host, "id -u hostile; id -u _hostile").split()) & set(numbers[host])
