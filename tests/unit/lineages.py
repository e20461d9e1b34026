"""What certbot leaves on a host, made with a real OpenSSL, and what nginx was given of it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from ansible_collections.emperor.flask.plugins.module_utils.acme import FILES, Lineage

DIRECTORY = "https://acme.example.com/directory"


def certificate(folder: Path, *names: str, ends_in: int = 7200) -> None:
    """Make fullchain.pem and privkey.pem; ``ends_in`` seconds from now, or before now where it is negative."""
    folder.mkdir(parents=True, exist_ok=True)
    key, pem, request = folder / "privkey.pem", folder / "fullchain.pem", folder / "request"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    subprocess.run(
        ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/"]
        + ["-addext", f"subjectAltName={alternatives}", "-keyout", key, "-out", request],
        check=True,
        capture_output=True,
    )
    moments = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset)) for offset in (-86400, ends_in)]
    # `openssl x509` cannot make one that has ended (before OpenSSL 3.4), `openssl ca` can.
    database, settings = folder / "index.txt", folder / "ca.cnf"
    database.write_text("")
    settings.write_text(
        f"[ca]\ndefault_ca = this\n[this]\ndatabase = {database}\nnew_certs_dir = {folder}\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\ncopy_extensions = copy\nunique_subject = no\n[any]\ncommonName = optional\n"
    )
    subprocess.run(
        ["openssl", "ca", "-batch", "-notext", "-config", settings, "-selfsign", "-keyfile", key, "-in", request]
        + ["-startdate", moments[0], "-enddate", moments[1], "-out", pem],
        check=True,
        capture_output=True,
    )


def lineage(root: Path, app: str = "shop", names: tuple[str, ...] = ("shop.test",), ends_in: int = 7200) -> Lineage:
    """A lineage as certbot keeps one, issued by DIRECTORY, and an empty folder for nginx's copies."""
    made = Lineage(app, str(root))
    certificate(Path(made.live), *names, ends_in=ends_in)
    settings = Path(made.settings)
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(
        f"version = 2.1.0\n[renewalparams]\nkey_type = ecdsa\nserver = {DIRECTORY}\nauthenticator = webroot\n"
    )
    Path(made.folder).mkdir(parents=True, exist_ok=True)
    return made


def served(made: Lineage) -> dict[str, bytes]:
    """What nginx reads, by certbot's names."""
    return {theirs: Path(made.folder, ours).read_bytes() for ours, theirs in FILES.items()}


def issued(made: Lineage) -> dict[str, bytes]:
    """What certbot has."""
    return {theirs: Path(made.live, theirs).read_bytes() for theirs in FILES.values()}
