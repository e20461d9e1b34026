# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How balancers know each other, so that what the first one renews reaches the others without a run.

Each has a key of its own. The program share-certificates of the role load_balancer seals what the first has for each of the others, and
fetches it there; a run tells each whom to believe.
"""

from __future__ import annotations

import os

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    ensure_file,
    names_in,
    remove,
    remove_tree,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.tls import key_pairs
from ansible_collections.emperor.flask.plugins.module_utils.tls.key_pairs import Pair
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage

OWN = "/etc/emperor-flask/balancer"
SOURCE = "/etc/emperor-flask/first-balancer"  # the URL of what is sealed for this one
SEALED = "/var/lib/emperor-flask/sealed"
SHARED = "/var/lib/emperor-flask/shared-certificates"
SHARE = "/usr/local/lib/emperor-flask/share-certificates"
TIMER = "emperor-certificates.timer"
NAMES = ["balancer.invalid"]  # nobody looks it up: balancers are known by their keys
SECRET, PUBLIC = Access(0o600), Access(0o644)


def identity() -> tuple[str, bool]:
    """The certificate that this balancer is known by, and whether it was made just now."""
    path = os.path.join(OWN, "own.pem")
    content = Snapshot.take(path).text
    made = not content
    if made:
        content = key_pairs.self_signed(NAMES).combined.decode()
        os.makedirs(OWN, 0o755, exist_ok=True)
        replace_file(path, content.encode(), SECRET)
    return content.rpartition(key_pairs.KEY)[0], made


def seal_for(others: list[str], certificates: dict[str, str]) -> bool:
    """On the first balancer: seal for these others from now on. Those without a certificate here keep the one that is known of them."""
    folder = os.path.join(OWN, "others")
    os.makedirs(folder, 0o755, exist_ok=True)
    gone = [name for name in names_in(folder) if name.removesuffix(".crt") not in others]
    for name in gone:
        remove(os.path.join(folder, name))
    written = [
        ensure_file(os.path.join(folder, f"{name}.crt"), text.encode(), PUBLIC) for name, text in certificates.items()
    ]
    changed = bool(gone) or any(written) or _stems(SEALED) != _stems(folder)
    if changed:
        try:
            run([SHARE, "seal"])
        except CommandFailed as error:
            raise Refusal(f"the certificates cannot be sealed for the other balancers: {error.output}") from error
    return changed


def follow(first: str) -> bool:
    """On another balancer: believe what the first one has signed, by its certificate. What it sealed itself, if it was the first, goes."""
    gone = [_remove(path) for path in (os.path.join(OWN, "others"), SEALED)]
    return ensure_file(os.path.join(OWN, "first.crt"), first.encode(), PUBLIC) or any(gone)


def end() -> bool:
    """On the only balancer, or one without certificates of an authority: know no other one."""
    gone = [_remove(path) for path in (OWN, SEALED)]
    return any(gone)


def hold(name: str, pair: Pair) -> bool:
    """Keep what the first balancer has got for an app, and let take-certificates give it to nginx from now on."""
    folder = os.path.join(SHARED, name)
    os.makedirs(folder, 0o700, exist_ok=True)
    files = {"fullchain.pem": pair.certificate, "privkey.pem": pair.key}
    written = [
        ensure_file(os.path.join(folder, file), f"{text.rstrip()}\n".encode(), SECRET) for file, text in files.items()
    ]
    same = is_held(name)
    if not same:
        replace_link(Lineage(name).link, folder)
    return any(written) or not same


def is_held(name: str) -> bool:
    """Tell whether an app has its certificate from the first balancer."""
    return Snapshot.take(Lineage(name).link).link == os.path.join(SHARED, name)


def drop(name: str) -> bool:
    """Forget what is kept for an app, if anything is."""
    return _remove(os.path.join(SHARED, name))


def _remove(folder: str) -> bool:
    there = os.path.isdir(folder)
    if there:
        remove_tree(folder)
    return there


def _stems(folder: str) -> set[str]:
    return {os.path.splitext(name)[0] for name in names_in(folder)}
