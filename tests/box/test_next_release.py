"""A live app cannot get into the release that takes its place, nor into the terminal of whoever operates it."""

import shlex
import subprocess

from conftest import each_host, exposure
from plays import FLEET, HOSTS, nothing_lost, on, until

# From within the live app: what it can do to a process of its next release's build. It answers with what it could.
MEDDLE = """
import os
result = []
for what in ("environ", "mem", "root", "cwd", "fd"):
    try:
        os.stat(f"/proc/{pid}/{{what}}/")
        result.append(what)
    except OSError:
        pass
try:
    os.kill({pid}, 0)
    result.append("kill")
except OSError:
    pass
"""


def test_a_live_app_neither_sees_nor_signals_a_build_of_its_own(hostile):
    (hostile.folder / "VERSION").write_text("meddled\n")
    hostile.entry["hooks"]["build"] = ["sh build-hook.sh", "sleep 611 || true"]  # until the test ends it
    hostile.entry["hooks"]["before_switch"] = ["sleep 711 || true"]
    process = hostile.start("deploy")
    until(lambda: all(on(host, "pgrep -u _hostile -x sleep", check=False) for host in FLEET))
    for host in FLEET:
        (builder, *_) = on(host, "pgrep -u _hostile -x sleep").split()
        assert hostile.run(host, MEDDLE.format(pid=builder)) == "[]"
        assert hostile.run(host, "import os; os.listdir('/var/www/hostile/build')") == "EACCES"
        assert exposure(host, "emperor-build-hostile.service") <= 2.0
        on(host, "pkill -u _hostile -x sleep")
    until(lambda: on(HOSTS[0], "pgrep -u hostile -fx 'sleep 711'", check=False))
    assert exposure(HOSTS[0], "emperor-before_switch-hostile-*") <= 2.0
    on(HOSTS[0], "pkill -u hostile -fx 'sleep 711'")
    output, _ = process.communicate()
    assert process.returncode == 0, output


TYPE = """
import fcntl, termios
for character in "typed by the app":
    fcntl.ioctl(0, termios.TIOCSTI, character.encode())
"""


def typed(host, command):
    """Whether Python that puts characters into the input of its terminal, as if they were typed, reaches the terminal of a root shell."""
    shell = f'{command} -c {shlex.quote(TYPE)}; read -t 3 -n 16 line; echo "[$line]"'
    argv = [
        "docker",
        "exec",
        "--interactive",
        host,
        "script",
        "--quiet",
        "--command",
        f"bash -c {shlex.quote(shell)}",
        "/dev/null",
    ]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as terminal:
        return "[typed by the app]" in terminal.stdout.read()


@each_host
def test_a_command_cannot_type_into_the_operators_terminal(hostile, host):
    allowed = on(host, "sysctl --values dev.tty.legacy_tiocsti", check=False).strip() != "0"
    assert typed(host, "setpriv --reuid hostile --regid hostile --clear-groups python3") == allowed
    assert not typed(host, "flask-app hostile python")


def test_a_build_that_makes_what_is_no_file_is_refused_and_its_neighbour_released(hostile, neighbour):
    hostile.entry["hooks"]["build"] = ["mkfifo pipe"]
    with nothing_lost(FLEET, 60):
        hostile.refused("app 'hostile': the build made 'pipe', which is neither file nor folder nor link")
    for host in FLEET:
        assert on(host, "ls -A /var/www/hostile/build; ls /var/www/hostile/code | grep partial", check=False) == ""


def test_a_hook_that_outlives_its_time_is_ended_with_all_it_started(hostile):
    hostile.entry["hooks"]["before_switch"] = ["setsid sleep 4444 & sleep 5555"]
    hostile.entry["timeouts"] = {"hook": 2}
    hostile.refused(
        "app 'hostile': the before_switch hook 'setsid sleep 4444 & sleep 5555' was not done within 2 seconds",
        "raise timeouts.hook",
    )
    for host in FLEET:
        assert on(host, "pgrep -f 'sleep (4444|5555)'", check=False) == ""
