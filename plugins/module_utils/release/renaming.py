# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app gets another name: the release of the new name is staged beside the old app, which serves until its shared files are needed there.

``begin`` notes what is to be, so that a run that dies is finished by the next one. ``take_over`` stops the old app and moves its shared files
and logs: the only time in which neither serves, until the switch. ``give_back`` undoes that after a failure; ``finish`` takes the old name away.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.background import handover
from ansible_collections.emperor.flask.plugins.module_utils.host import box, successions, systemd, users
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import Access, names_in, remove_tree
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.host.successions import Succession
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site
from ansible_collections.emperor.flask.plugins.module_utils.release import manifest, provision, removal, shared_files
from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage
from ansible_collections.emperor.flask.plugins.module_utils.vassal import activations, emperor_exchange

INTERVAL = 0.1  # seconds between two looks at an app that starts again


def is_due(old: Layout | None) -> bool:
    """Tell whether anything of the old name is on the host still."""
    return old is not None and provision.exists(old)


def was_closed(old: Layout) -> bool:
    """Tell whether an operator has closed the old app for maintenance, which a move closes as well."""
    known = successions.of(old)
    return known.closed if known else site.is_closed(old)


def begin(new: Layout, old: Layout) -> None:
    """Note on the disk that ``old`` becomes ``new``, before anything of ``new`` is made; raise Refusal where it cannot."""
    known = successions.of(old)
    if known and known.name == new.name:
        return
    if provision.exists(new):
        raise Refusal(f"'{old.name}' and it are both on this host, so neither can become the other")
    if known and known.taken:
        raise Refusal(f"a run that died was making '{old.name}' '{known.name}'; finish that first")
    if os.path.islink(old.shared) or os.path.ismount(old.shared):
        raise Refusal(
            f"{old.shared} is a link or a mount of its own, which cannot be moved; put a folder with its files in its place first"
        )
    if live := activations.live(old):
        try:
            manifest.read(old, live.release)
        except (FileNotFoundError, manifest.Unknown) as error:
            raise Refusal(
                f"the release of '{old.name}' could not be started again if this failed ({error}); deploy that app anew first"
            ) from error
    successions.note(old, Succession(new.name, site.is_closed(old)))


def take_over(new: Layout, old: Layout, release: str, made_of: dict[str, Any]) -> None:
    """Stop the old app and move what it had in shared, and its logs; whatever was done already stays done.

    Its workers finish their jobs and its timers end before its site is closed, and its requests finish before its Emperor ends.
    """
    if activations.live(new):  # the switch was made before a run died
        return
    known = successions.of(old)
    if known is None:
        raise Refusal(f"nothing says that '{old.name}' becomes it; run again")
    successions.note(old, replace(known, taken=True))
    handover.finish_jobs(old)
    handover.remove_all(old)
    site.close(old, True)
    _end(old)
    begun = f"{new.shared}.begun"
    if os.path.lexists(old.shared):
        _hand(old, new, old.shared)
        _move_logs(old, new)
        # What the release has begun its shared paths with counts where the old app had none.
        if os.path.isdir(begun):
            remove_tree(new.shared)
        else:
            os.rename(new.shared, begun)
        os.rename(old.shared, new.shared)
    for path in made_of["shared"]:
        shared_files.begin(new, release, made_of, os.path.join(begun, path), path)
    remove_tree(begun)
    if known.closed:
        site.close(new, True)


def give_back(new: Layout, old: Layout) -> None:
    """Take the new name away after a failure, and let the old app serve with its shared files and logs. nginx is still to reload."""
    known = successions.of(old)
    if known is None or known.name != new.name:
        return
    site.unlink(new)
    _end(new)
    if known.taken:
        _end(old)
        if os.path.lexists(old.shared):
            _hand(new, old, old.shared)
        else:
            _hand(new, old, new.shared)
            os.rename(new.shared, old.shared)
        _move_logs(new, old)
        _start(old, known)
        successions.note(old, replace(known, taken=False))
    removal.remove_all(new, keep_shared=False)
    successions.forget(old)


def finish(new: Layout, old: Layout) -> None:
    """Take away what is left of the old name, once the new one serves; certbot renews its certificate under the new name."""
    if os.path.lexists(old.shared):
        raise Refusal(
            f"{old.shared} is there again, though it was moved to {new.shared}; look at it, move it away and run again"
        )
    Lineage(new.name).inherit(Lineage(old.name))
    removal.remove_all(old, keep_shared=False)


def _end(app: Layout) -> None:
    """End everything that runs for an app, its Emperor gently, and let nothing start again."""
    systemd.disable_now(app.unit)
    emperor_exchange.abandon(app)
    handover.remove_all(app)
    systemd.stop_slice(box.slice_of(app.name))
    numbers = [users.number_of(name, app.home) for name in (app.name, app.builder)]
    users.end_all({number for number in numbers if number is not None})


def _start(app: Layout, known: Succession) -> None:
    """Start an app that was stopped, and return when it answers, or should have."""
    live = activations.live(app)
    systemd.enable_now(app.unit)
    if live:
        made_of = manifest.read(app, live.release)
        health = manifest.health(app, made_of)
        site.link(app, made_of["default_server"])
        deadline = time.monotonic() + health.timeout
        while not activations.is_healthy(app, live, health) and time.monotonic() < deadline:
            time.sleep(INTERVAL)
        handover.ensure(app, live, made_of)
    site.close(app, known.closed)


def _hand(giver: Layout, taker: Layout, folder: str) -> None:
    """Give the files of one app's user to another's, in a folder of which nothing that runs can write.

    The folder itself comes first, and is root's meanwhile: nobody gets in. No link is followed, and what is others' stays theirs.
    """
    Access(0o700).apply(folder)
    _give(giver, taker, folder)
    Access(0o750, taker.name, taker.name).apply(folder)


def _give(giver: Layout, taker: Layout, folder: str) -> None:
    for whose, whom in ((giver.name, taker.name), (f":{giver.name}", f":{taker.name}")):
        run(["chown", "--recursive", "--no-dereference", f"--from={whose}", whom, folder])


def _move_logs(giver: Layout, taker: Layout) -> None:
    """Move an app's logs, the rotated ones too: the other app writes on where they end. Their folders are root's. What it has written stays."""
    _give(giver, taker, giver.logs)
    for name in names_in(giver.logs):
        own = os.path.basename(giver.log)
        moved = os.path.basename(taker.log) + name[len(own) :] if name.startswith(own) else name
        place = os.path.join(taker.logs, moved)
        if not os.path.lexists(place) or os.path.getsize(place) == 0:  # one that nothing was written to yet
            os.rename(os.path.join(giver.logs, name), place)
