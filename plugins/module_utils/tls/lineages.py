# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of an authority that speaks ACME (RFC 8555): ordered with certbot, renewed by the timer of its package.

certbot keeps what it got for an app as the lineage ``emperor-<app>``. nginx reads a copy: take-certificates, which runs after every
renewal and here, tests each with nginx's whole configuration first, so nothing that certbot does can keep nginx from starting. The
link ``lineage`` beside the copy says that an app's certificate is an authority's.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass

from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, run
from ansible_collections.emperor.flask.plugins.module_utils.host.files import (
    Access,
    Snapshot,
    link_target,
    names_in,
    remove,
    remove_tree,
    replace_file,
    replace_link,
)
from ansible_collections.emperor.flask.plugins.module_utils.host.transaction import File, Record, Transaction
from ansible_collections.emperor.flask.plugins.module_utils.tls import certbot, key_pairs
from ansible_collections.emperor.flask.plugins.module_utils.tls.x509 import Certificate

SET = "acme"  # the files that make certbot's renewals reach nginx
WEBROOT = "/var/lib/emperor-flask/acme"  # nginx serves its .well-known/acme-challenge for every app that has an order
TAKE = "/usr/local/lib/emperor-flask/take-certificates"
TIMER = "certbot.timer"  # of the distribution's package; a drop-in makes its service run TAKE


@dataclass(frozen=True)
class Lineage:
    """What certbot keeps for one app, and the copy that nginx reads. ``root`` is / on a host."""

    app: str
    root: str = "/"

    @property
    def name(self) -> str:
        """What certbot calls it."""
        return f"emperor-{self.app}"

    @property
    def live(self) -> str:
        """The folder of links to its newest certificate and key."""
        return os.path.join(self.root, "etc/letsencrypt/live", self.name)

    @property
    def archive(self) -> str:
        """The folder of all that certbot has got for it."""
        return os.path.join(self.root, "etc/letsencrypt/archive", self.name)

    @property
    def settings(self) -> str:
        """How certbot renews it."""
        return os.path.join(self.root, "etc/letsencrypt/renewal", f"{self.name}.conf")

    @property
    def folder(self) -> str:
        """The folder of the copy."""
        return os.path.join(self.root, "etc/nginx/certificates", self.app)

    @property
    def combined(self) -> str:
        """The copy that nginx reads: certificate, chain and key."""
        return key_pairs.place(self.app, os.path.dirname(self.folder))

    @property
    def link(self) -> str:
        """The link that says that the copy is of this lineage."""
        return os.path.join(self.folder, "lineage")

    @property
    def exists(self) -> bool:
        """Tell whether certbot knows it."""
        return os.path.exists(self.settings)

    @property
    def directory(self) -> str | None:
        """The ACME directory of the authority that issued it."""
        found = re.search(rb"^server = (.+)$", Snapshot.take(self.settings).content or b"", re.MULTILINE)
        return found.group(1).decode().strip() if found else None

    @property
    def issued(self) -> Certificate | None:
        """The newest certificate that certbot got."""
        return Certificate.read(os.path.join(self.live, "fullchain.pem"))

    @property
    def served(self) -> str:
        """The certificate that nginx was given, as messages call it, and when it ends."""
        present = Certificate.read(self.combined)
        if present is None:
            return "no certificate"
        ours = key_pairs.SELF_SIGNED in present.issuer
        return f"{'its stand-in, which no browser trusts' if ours else 'the certificate it has'}, until {present.end}"

    def is_taken(self) -> bool:
        """Tell whether nginx was given the newest of it."""
        chain, key = (_content(os.path.join(self.live, name)) for name in ("fullchain.pem", "privkey.pem"))
        return bool(link_target(self.link) == self.live and chain and key and _content(self.combined) == chain + key)

    def serve(self) -> None:
        """Let take-certificates copy it from now on."""
        if link_target(self.link) != self.live:
            replace_link(self.link, self.live)

    def stop_serving(self) -> None:
        """Let take-certificates copy it no more: the app's certificate is from elsewhere now."""
        remove(self.link)

    def forget(self) -> None:
        """Make certbot forget it too, so that nothing renews what nobody needs."""
        self.stop_serving()
        self.delete()

    def inherit(self, old: Lineage) -> None:
        """Let certbot keep under this name what it keeps for another app, and renew it: nothing is ordered anew.

        certbot has no command for it. Its settings are exchanged last, so that a run that died goes on where it was.
        """
        if self.exists or not old.exists:
            return
        if os.path.isdir(old.archive):
            os.rename(old.archive, self.archive)
        os.makedirs(self.live, 0o755, exist_ok=True)
        for name in names_in(old.live):
            if target := link_target(os.path.join(old.live, name)):
                replace_link(os.path.join(self.live, name), self._renamed(target, old))
        settings = Snapshot.take(old.settings)
        text = self._renamed(settings.text, old)
        replace_file(self.settings, text.encode(), Access(settings.mode))
        remove(old.settings)
        remove_tree(old.live)

    def _renamed(self, text: str, old: Lineage) -> str:
        """A text with its paths that lead through another lineage's folders."""
        return re.sub(rf"/{re.escape(old.name)}(?=[/\s]|$)", f"/{self.name}", text)

    def delete(self) -> None:
        """Delete what certbot keeps of it."""
        if self.exists and certbot.is_installed():
            certbot.certbot("delete", "--non-interactive", "--cert-name", self.name)


@dataclass(frozen=True)
class Order:
    """A certificate for all names of an app, from the authority with this ACME directory. ``email`` may be empty."""

    app: str
    names: tuple[str, ...]
    directory: str
    email: str = ""

    def lack(self, lineage: Lineage) -> str | None:
        """Why a certificate has to be issued; None where certbot has the one that is ordered, and renews it."""
        if not lineage.exists:
            return "it has none yet"
        issued = lineage.issued
        if issued is None:
            return "the one it has cannot be read"
        if lineage.directory != self.directory:
            return f"the one it has is from {lineage.directory}"
        if issued.names != frozenset(name.lower() for name in self.names):
            return f"the one it has is for {', '.join(sorted(issued.names))}"
        if issued.ends <= time.time():
            return f"the one it has ended on {issued.end} and was not renewed"
        return None

    def arguments(self) -> list[str]:
        """certbot's, understood alike by 1.21 (Ubuntu 22.04) and 5. It asks nothing, and issues whatever it has already."""
        contact = ["--email", self.email] if self.email else ["--register-unsafely-without-email"]
        return [
            "certonly",
            "--non-interactive",
            "--agree-tos",
            *contact,
            *("--server", self.directory),
            *("--webroot", "--webroot-path", WEBROOT),
            *("--cert-name", Lineage(self.app).name),
            *(part for name in self.names for part in ("--domain", name)),
            *("--key-type", "ecdsa"),
            *("--force-renewal", "--renew-with-new-domains"),
        ]

    def failure(self, said: str, lineage: Lineage) -> str:
        """A message: who did not issue what and why, what to do, and until when the certificate of now holds."""
        why = certbot.cause(said)
        return (
            f"app '{self.app}': {self.directory} issued no certificate for {', '.join(self.names)}: {why}\n"
            f"{certbot.remedy(said, why)}; then run again. The app serves on with {lineage.served}."
        )


def renewal(files: list[dict[str, str]], timer: str | None) -> Transaction:
    """What brings nginx what is renewed, with the timer that does; without files, what takes that away again."""
    folders = (os.path.dirname(WEBROOT), WEBROOT, *(os.path.dirname(file["path"]) for file in files))
    return Transaction(
        Record.load(SET),
        [
            File(file["path"], file["content"].encode(), Access(int(file.get("mode", "0644"), 8)), reload=False)
            for file in files
        ],
        directories={folder: Access(0o755) for folder in folders} if files else {},
        service=timer if files else None,
    )


def issue(orders: list[Order]) -> list[str]:
    """Have each order issued that lacks something, and nginx given all; return the sentences that say what failed."""
    failures: list[str] = []
    if not orders:
        return failures
    for order in orders:
        lineage = Lineage(order.app)
        try:
            if order.lack(lineage):
                if lineage.issued is None:  # where half of it is lost, certbot would begin another under another name
                    lineage.delete()
                certbot.certbot(*order.arguments())
            lineage.serve()
        except CommandFailed as error:
            failures.append(order.failure(error.output, lineage))
    try:
        run([TAKE])
    except CommandFailed as error:
        failures.append(error.output)
    return failures


def _content(path: str) -> bytes | None:
    """The bytes at the end of a path's links, or None."""
    return Snapshot.take(os.path.realpath(path)).content
