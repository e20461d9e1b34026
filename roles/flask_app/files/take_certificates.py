#!/usr/bin/python3
# Managed by emperor.flask (role flask_app); changes made here are lost.
"""Put the certificates that certbot has got where nginx reads them: take-certificates [ROOT]

certbot.service runs this after each of its runs, also one in which a certificate could not be renewed; a deployment runs it after
it has ordered a certificate. The folder of an app whose certificate is an authority's has a link `lineage` to what certbot keeps, or
on a balancer that orders none, to what share-certificates has fetched.
nginx tests its whole configuration with each new certificate. What it refuses is put back, the other apps get theirs, and this
ends with an error: nginx can always start.
"""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1] if len(sys.argv) > 1 else "/")
CERTIFICATES = ROOT / "etc/nginx/certificates"
# The mark and the lock that deployments have too. The mark outlives a death between exchange and reload: the next run makes up for it.
STATE = ROOT / "var/lib/emperor-flask"
OWED, LOCK = STATE / "nginx-reload-owed", STATE / "host.lock"
SHARE = ROOT / "usr/local/lib/emperor-flask/share-certificates"  # on balancers: brings the others what this one has


class Refused(Exception):
    """A command's words."""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Refused(f"'{' '.join(command)}' says: {done.stdout.strip()}")


def take(folder):
    """Exchange the certificate in a folder if there is another one where its link leads."""
    place = folder / "combined.pem"
    issued = b"".join((folder / "lineage" / name).read_bytes() for name in ("fullchain.pem", "privkey.pem"))
    before = place.read_bytes() if place.exists() else None
    if issued == before:
        return
    OWED.touch()
    write(place, issued)
    try:
        run("nginx", "-t", "-q")
    except Refused:
        if before is None:
            place.unlink()
        else:
            write(place, before)
        raise
    print(f"{folder.name}: nginx has got the new certificate")


def write(place, content):
    """Write it beside its place first, so that a full disk or a loss of power leaves what is there."""
    new = place.with_name(f"{place.name}.taken")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(place)


def main():
    os.umask(0o077)
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    failures = []
    for folder in sorted(CERTIFICATES.iterdir()):
        if not (folder / "lineage").is_symlink():
            continue
        try:
            take(folder)
        except FileNotFoundError as error:
            failures.append(
                f"app '{folder.name}': its certificate is not there any more ({error}); deploy the app again"
            )
        except (OSError, Refused) as error:
            failures.append(f"app '{folder.name}': it keeps the certificate it had: {error}")
    try:
        if OWED.exists():
            run("systemctl", "reload-or-restart", "nginx.service")
            OWED.unlink()
    except Refused as error:
        failures.append(f"nginx does not reload: {error}")
    try:
        if SHARE.exists():
            run(str(SHARE), "seal", str(ROOT))
    except Refused as error:
        failures.append(f"the other balancers cannot get them: {error}")
    if failures:
        sys.exit("\n".join(failures))


main()
