"""No line is lost: neither when logrotate takes the files away under load, nor when the Emperor restarts."""

import subprocess
import time
from collections import Counter
from pathlib import Path

LINES = 100  # that one request logs
CONFIG = "/etc/logrotate.d/emperor-flask"
LOGS = "/var/log/uwsgi/echo/echo_uwsgi.log"


def test_every_line_is_there_once_across_rotations_and_a_restart(host, container):
    argv = ["docker", "exec", "--interactive", container, "python3", "-", "9", str(LINES)]
    with Path(__file__).with_name("numbered_lines.py").open() as script:
        load = subprocess.Popen(argv, stdin=script, stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        time.sleep(2)  # uWSGI takes two rotations within one second for one
        host.check_output(f"logrotate --force {CONFIG}")
    host.check_output("systemctl restart uwsgi-emperor@echo")
    answered = load.communicate(timeout=60)[0].split()
    assert load.returncode == 0
    assert len(answered) > 20
    wanted = {first + line for first in map(int, answered) for line in range(LINES)}
    seen = Counter(int(line.split()[1]) for line in host.check_output(f"zgrep -ho 'LINE [0-9]*$' {LOGS}*").splitlines())
    assert wanted - seen.keys() == set()
    assert [number for number, count in seen.items() if count > 1] == []


def test_the_emperors_log_goes_on_in_the_new_file(host):
    log = "/var/log/uwsgi/demoapp/emperor.log"
    host.check_output(f"logrotate --force {CONFIG}")
    time.sleep(1)
    host.check_output("systemctl kill --signal=USR1 --kill-who=main uwsgi-emperor@demoapp")
    time.sleep(1)
    assert "vassal instance" in host.file(log).content_string
    assert host.check_output(f"stat --format %U:%G {log}") == "demoapp:adm"
