"""What certbot leaves on a host, and what nginx was given of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.tls.lineages import Lineage
from certificates import leaf

DIRECTORY = "https://acme.example.com/directory"


def issue(folder: str | Path, *names: str, ends: timedelta = timedelta(hours=2)) -> None:
    """Make fullchain.pem and privkey.pem in a folder."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    made = leaf(list(names), ends=ends)
    Path(folder, "fullchain.pem").write_text(made.certificate)
    Path(folder, "privkey.pem").write_text(made.key)


def lineage(root: Path, app: str = "shop", names: tuple[str, ...] = ("shop.test",), **changes: timedelta) -> Lineage:
    """A lineage as certbot keeps one, issued by DIRECTORY, and an empty folder for nginx's copies."""
    made = Lineage(app, str(root))
    issue(made.live, *names, **changes)
    settings = Path(made.settings)
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(
        f"version = 2.1.0\n[renewalparams]\nkey_type = ecdsa\nserver = {DIRECTORY}\nauthenticator = webroot\n"
    )
    Path(made.folder).mkdir(parents=True, exist_ok=True)
    return made


def served(made: Lineage) -> bytes:
    """What nginx reads."""
    return Path(made.combined).read_bytes()


def issued(made: Lineage) -> bytes:
    """What certbot has."""
    return Path(made.live, "fullchain.pem").read_bytes() + Path(made.live, "privkey.pem").read_bytes()
