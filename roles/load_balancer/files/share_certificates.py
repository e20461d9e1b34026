#!/usr/bin/python3
# Managed by emperor.flask (role load_balancer); changes made here are lost.
"""Bring what one balancer has got from an authority to the others: share-certificates seal|fetch [ROOT]

`seal` runs on the first balancer whenever nginx has got a certificate there (take-certificates): for each other balancer it signs
all of them with the first one's key, and encrypts them for that balancer alone (CMS, RFC 5652). nginx hands them out on a port of its own.
`fetch` runs twice a day on the others. It believes what the first balancer has signed and what ends later than what it has, and lets
take-certificates give that to nginx. It ends with an error where nothing arrives, and where a certificate has less than a seventh of
its life left: one of 90 days is renewed when it has 30, so this is the alarm that a renewal did not come.
"""

import fcntl
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(sys.argv[2] if len(sys.argv) > 2 else "/")
CERTIFICATES = ROOT / "etc/nginx/certificates"
# own.pem there is the key and the certificate by which the others know this balancer.
OWN = ROOT / "etc/emperor-flask/balancer"
FIRST = OWN / "first.crt"
SOURCE = ROOT / "etc/emperor-flask/first-balancer"  # the URL of what is sealed for this one
OTHERS = OWN / "others"  # the certificates of the other balancers, by name
STATE = ROOT / "var/lib/emperor-flask"
SEALED = STATE / "sealed"
SHARED = STATE / "shared-certificates"
TAKE = ROOT / "usr/local/lib/emperor-flask/take-certificates"
MOST = 16 << 20  # bytes
PATIENCE = 30  # seconds
KEY = "-----BEGIN "  # of the last part of a file that nginx reads
STAND_IN = "emperor.flask self-signed"  # the name of its issuer


class Refused(Exception):
    """A command's words."""


def openssl(*arguments, given=None):
    done = subprocess.run(("openssl", *map(str, arguments)), input=given, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Refused(f"'openssl {arguments[0]} {arguments[1]}' says: {' '.join(said[:2])}")
    return done.stdout


def write(path, content, mode):
    """Write it beside its place first, so that a reader finds all of it or what was there."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.rename(path)


def seal():
    """Seal for each other balancer; what is for one that is none any more goes."""
    places = [link.with_name("combined.pem") for link in links()]
    has = {place.parent.name: place.read_text() for place in places if place.exists()}
    SEALED.mkdir(exist_ok=True)
    SEALED.chmod(0o755)  # nginx hands out what is in it
    own, known = OWN / "own.pem", sorted(OTHERS.glob("*.crt"))
    signed = openssl(
        *("cms", "-sign", "-binary", "-nodetach", "-nocerts", "-outform", "DER", "-signer", own, "-inkey", own),
        given=json.dumps(has).encode(),
    )
    for other in known:
        sealed = openssl("cms", "-encrypt", "-binary", "-aes256", "-outform", "DER", other, given=signed)
        write(SEALED / f"{other.stem}.cms", sealed, 0o644)
    for path in SEALED.iterdir():
        if path.stem not in [other.stem for other in known]:
            path.unlink()


def fetch():
    """Take what has been renewed; say what does not arrive, and what ends."""
    failures, source = [], SOURCE.read_text().strip()
    try:
        has = opened(source)
        with (STATE / "host.lock").open("a") as lock:  # which take-certificates wants afterwards
            fcntl.flock(lock, fcntl.LOCK_EX)
            failures += each(lambda link: take(link, has.get(link.parent.name)))
    except (OSError, ValueError, http.client.HTTPException, Refused) as error:
        failures.append(f"the first balancer's certificates do not arrive from {source}: {error}")
    if subprocess.run([TAKE, ROOT], check=False).returncode:  # it has said why
        failures.append("nginx did not get all of them")
    return failures + each(look_at)


def each(deed):
    """Do it with each app's link; return what failed, app by app."""
    failures = []
    for link in links():
        if os.readlink(link) != str(SHARED / link.parent.name):
            continue
        try:
            deed(link)
        except (OSError, ValueError, Refused) as error:
            failures.append(f"app '{link.parent.name}': {error}")
    return failures


def links():
    """The links `lineage` of the apps whose certificate is an authority's, wherever they lead."""
    return [link for link in sorted(CERTIFICATES.glob("*/*")) if link.name == "lineage" and link.is_symlink()]


def opened(source):
    """What is sealed for this balancer: certificate, chain and key by app, signed by the first one."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(source, timeout=PATIENCE) as answer:
        sealed = answer.read(MOST)
    own = OWN / "own.pem"
    signed = openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-recip", own, "-inkey", own, given=sealed)
    # Whose certificate it is was told by the run that set this up, so no authority has to have signed it.
    trusted = ("-noverify", "-nointern", "-certfile", FIRST)
    return json.loads(openssl("cms", "-verify", "-binary", "-inform", "DER", *trusted, given=signed))


def take(link, combined):
    """Keep a certificate that ends later than the one that nginx has."""
    present = link.with_name("combined.pem").read_text()
    if combined in (None, present) or life(combined)[1] <= life(present)[1]:
        return
    chain, begin, key = combined.rpartition(KEY)
    folder = SHARED / link.parent.name
    write(folder / "fullchain.pem", chain.encode(), 0o600)
    write(folder / "privkey.pem", (begin + key).encode(), 0o600)


def look_at(link):
    """Refuse a certificate that should have been renewed."""
    begins, ends = life(link.with_name("combined.pem").read_text())
    if not ends:
        raise Refused(
            "it still shows a stand-in that no browser trusts; run emperor.flask.site, and see what it says of the order"
        )
    if ends - time.time() < (ends - begins) / 7:
        end = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(ends))
        raise Refused(
            f"its certificate ends on {end}, and no later one came from the first balancer; look at 'journalctl --unit certbot' there"
        )


def life(combined):
    """When a certificate begins and ends, in seconds since the epoch; 0 for a stand-in, which every other one is better than."""
    said = openssl("x509", "-noout", "-dates", "-issuer", given=combined.encode()).decode()
    if STAND_IN in said:
        return 0, 0
    return [ssl.cert_time_to_seconds(date) for date in re.findall(r"^not.+?=(.+)$", said, re.MULTILINE)]


def main():
    os.umask(0o077)
    if sys.argv[1] == "seal":
        if OTHERS.is_dir():
            seal()
        return
    failures = fetch()
    if failures:
        sys.exit("\n".join(failures))


main()
