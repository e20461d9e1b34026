"""Runs on a host: all that it has which an app could have left, as JSON. Its argument is a list of what to ask: scheme, name and path.

``lines`` are paths, accounts, units, processes and answers; ``processes`` and ``numbers`` are process ids and user ids by account. The id of
a live release is LIVE, so that of another stands out.
"""

import collections
import glob
import grp
import json
import os
import pwd
import re
import subprocess
import sys

TREES = ["/etc", "/opt", "/root", "/home", "/srv", "/usr/local", "/var", "/run", "/tmp", "/dev/shm"]
# What others keep and change by themselves, and what is in an app's stores.
HIDDEN = ["/run/log", "/run/systemd/[!st]*", "/var/log/journal", "/var/cache", "/var/lib/redis"]
HIDDEN += [f"/var/www/*/{store}/*" for store in ("code", "venvs", "releases", "static", "shared")]


def printed(*argv):
    """The lines that a command prints."""
    return subprocess.run(argv, stdout=subprocess.PIPE, check=False).stdout.decode(errors="replace").splitlines()


def paths():
    """Files wherever something of an app may be, and those anywhere that belong to no account."""
    prune = [word for path in HIDDEN for word in ("-path", path, "-o")][:-1]
    yield from printed("find", *TREES, "-ignore_readdir_race", "(", *prune, ")", "-prune", "-o", "-print")
    yield from glob.glob("/var/www/*/*/*.partial")
    lost = ["(", "-nouser", "-o", "-nogroup", ")", "-printf", "nobody owns %p\\n"]
    yield from printed("find", "/", "/run", "/tmp", "/dev/shm", "-xdev", "-ignore_readdir_race", *lost)


def units():
    """Units of ours that are not inactive, and whatever failed."""
    for line in printed("systemctl", "list-units", "--all", "--plain", "--no-legend"):
        unit, _loaded, active, *_rest = line.split()
        if active == "failed" or ("emperor" in unit and active != "inactive"):
            yield f"{unit} is {active}"


def processes():
    """Account, unit and id of each process that is not root's; an account that is gone is a number."""
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{folder}/status") as status, open(f"{folder}/cgroup") as groups:
                fields = dict(line.split(":", 1) for line in status)
                unit = re.findall(r"([^/\n]*)\n", groups.read())[-1]
        except OSError:  # it has just ended
            continue
        number = int(fields["Uid"].split()[0])
        if number and fields["State"].split()[0] != "Z":
            yield NAMES.get(number, str(number)), unit, int(fields["Pid"])


def answer(scheme, name, path):
    """What a site answers: its text, or another status than 200; 000 where the connection is closed."""
    here = [word for port in (80, 443) for word in ("--resolve", f"*:{port}:127.0.0.1")]
    asked = ["curl", "--silent", "--insecure", *here, "--write-out", " %{http_code}", f"{scheme}://{name}{path}"]
    *said, status = " ".join(printed(*asked)).split()
    return f"{asked[-1]} says {' '.join(said) if status == '200' else status}"


NAMES = {account.pw_uid: account.pw_name for account in pwd.getpwall()}
by_account = collections.defaultdict(list)
lines = [*paths(), *units()]
lines += [f"user {name}" for name in NAMES.values()] + [f"group {group.gr_name}" for group in grp.getgrall()]
for account, unit, pid in processes():
    lines.append(f"a process of {account} in {unit}")
    by_account[account].append(pid)
lines += [answer(*asked) for asked in json.loads(sys.argv[1])]
releases = [os.path.basename(os.readlink(link)) for link in glob.glob("/var/www/*/current")]
NAMED = [(r"systemd-private-[0-9a-f]+-(.*)-\w{6}(?=/|$)", r"private-\1"), (r"/secrets/\d+$", "/secrets/NUMBER")]
NAMED += [(r"-\d{4}-\d\d-\d\dT\d{6}\.tar", "-DATE.tar")]
for pattern, word in [*NAMED, *((rf"{release}(\.\d+)?", "LIVE") for release in releases)]:
    lines = [re.sub(pattern, word, line) for line in lines]
print(json.dumps({"lines": lines, "processes": by_account, "numbers": {name: uid for uid, name in NAMES.items()}}))
