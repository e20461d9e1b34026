"""Print every file of this machine that a run could leave something in, as a line of JSON: path, and how it is. Run on a host, with nothing but Python.

What lies on other file systems (/proc, /sys, /run, /tmp), and what a host writes by itself or for whoever logs in, is left out.
"""

import hashlib
import json
import os
import stat
import sys

READ = ("/etc", "/var/www", "/usr/local", "/opt/uwsgi")  # compared by what they hold, too
OTHERS = {
    "/root/.ansible",  # Ansible's own
    "/home/deploy",  # of the user who logs in
    "/var/log/journal",
    "/var/log/wtmp",
    "/var/log/wtmp.db",
    "/var/log/lastlog",
    "/var/lib/sudo",
    "/var/lib/systemd",
    "/var/lib/logrotate",
    "/var/lib/redis",
    "/var/cache/apt",  # apt's own: what asks it anything as root writes its cache
    "/var/cache/byte-code",  # of the tests (molecule/default/byte_code)
}

BUSY = {"/var/log"}  # each login has its file here


def look(path):
    """How a file is, a folder or a link: its mode, owner, size and time, where a link leads, and the digest of what it holds."""
    status = os.lstat(path)
    seen = [stat.filemode(status.st_mode), status.st_uid, status.st_gid]
    if path not in BUSY:
        seen += [status.st_size, status.st_mtime_ns]
    if stat.S_ISLNK(status.st_mode):
        return [*seen, os.readlink(path)]
    if stat.S_ISREG(status.st_mode) and path.startswith(READ):
        with open(path, "rb") as stream:
            return [*seen, hashlib.sha256(stream.read()).hexdigest()]
    return seen


def main():
    """List them all."""
    device = os.lstat("/").st_dev
    for folder, folders, files in os.walk("/"):
        folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
        folders[:] = [name for name in folders if os.path.join(folder, name) not in OTHERS]
        for path in (os.path.join(folder, name) for name in [*folders, *files]):
            if path not in OTHERS:
                try:
                    print(json.dumps([path, look(path)]))
                except FileNotFoundError:
                    print(json.dumps([path, "gone"]))


if __name__ == "__main__":
    sys.exit(main())
