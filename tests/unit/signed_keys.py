"""The keys that gpg exported for these tests (tests/unit/keys), and their fingerprints."""

from pathlib import Path

KEYS = Path(__file__).with_name("keys")
ARMORED, BINARY = (KEYS / "three.asc").read_bytes(), (KEYS / "three.gpg").read_bytes()
# As `gpg --list-keys` prints them.
OLD = "894DEB602F4A33CF63244B1082C35609D53A078E"
NEW, ITS_SUBKEY = "41A97DA783A35755FE473D31F5DE4500763CD53F", "CCDF2EF3007E5DED83553143D95B159B7F50820B"
STRANGER = "F39572F7099BED59BB0E854C9554B1A0AE7B12F1"
