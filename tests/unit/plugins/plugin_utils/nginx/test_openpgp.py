"""Keys are pinned by their fingerprints, read from files that gpg exported (tests/unit/keys)."""

import shutil
import subprocess

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.nginx import openpgp
from hypothesis import given
from hypothesis import strategies as st
from signed_keys import ARMORED, BINARY, ITS_SUBKEY, NEW, OLD, STRANGER


def contents(data):
    """Tags and fingerprints of the packets of a file."""
    return [(packet.tag, packet.fingerprint if packet.tag in (6, 14) else None) for packet in openpgp.packets(data)]


@pytest.mark.parametrize("data", [ARMORED, BINARY], ids=["armored", "binary"])
def test_fingerprints_are_those_that_gpg_prints(data):
    assert openpgp.select(data, []) == (b"", [OLD, NEW, STRANGER])


@pytest.mark.parametrize("data", [ARMORED, BINARY], ids=["armored", "binary"])
def test_only_the_pinned_key_is_handed_on_with_what_says_when_it_expires(data):
    kept, _ = openpgp.select(data, [OLD])
    assert contents(kept) == [(6, OLD), (13, None), (2, None)]
    assert kept in BINARY


def test_a_subkey_is_dropped_unless_it_is_pinned_itself():
    assert contents(openpgp.select(BINARY, [NEW])[0]) == [(6, NEW), (13, None), (2, None)]
    kept, _ = openpgp.select(BINARY, [NEW, ITS_SUBKEY])
    assert contents(kept) == [(6, NEW), (13, None), (2, None), (14, ITS_SUBKEY), (2, None)]


def test_a_subkey_cannot_be_pinned_without_its_key():
    assert openpgp.select(BINARY, [ITS_SUBKEY])[0] == b""


def test_fingerprints_may_be_written_with_blanks_and_small_letters():
    spaced = " ".join(OLD[i : i + 4] for i in range(0, 40, 4)).lower()
    assert openpgp.select(BINARY, [spaced])[0] == openpgp.select(BINARY, [OLD])[0]


def test_a_changed_key_has_another_fingerprint():
    changed = bytearray(BINARY)
    changed[40] ^= 1
    kept, found = openpgp.select(bytes(changed), [OLD])
    assert kept == b""
    assert found[0] != OLD


def test_armor_gives_back_the_same_bytes():
    assert openpgp.dearmored(openpgp.armored(BINARY).encode()) == BINARY
    assert openpgp.armored(BINARY).encode() == ARMORED
    assert openpgp.dearmored(ARMORED + ARMORED) == BINARY + BINARY
    assert openpgp.dearmored(ARMORED.replace(b"\n", b"\r\n")) == BINARY


@pytest.mark.skipif(not shutil.which("gpg"), reason="no gpg on this machine")
def test_gpg_reads_what_is_handed_on(tmp_path):
    kept, _ = openpgp.select(ARMORED, [NEW, STRANGER])
    argv = ["gpg", "--homedir", str(tmp_path), "--with-colons", "--show-keys"]
    shown = subprocess.run(argv, input=openpgp.armored(kept).encode(), capture_output=True, check=True).stdout.decode()
    assert [line.split(":")[9] for line in shown.splitlines() if line.startswith("fpr")] == [NEW, STRANGER]


@pytest.mark.parametrize(
    "data", [b"", b"<html>Not found</html>", BINARY[:100], b"\xc6\xff\x00", b"\xc6\xe0x", b"\x9bx"]
)
def test_what_is_no_file_of_keys_is_refused(data):
    with pytest.raises(openpgp.NotOpenPGP):
        openpgp.select(data, [OLD])


@given(st.binary(max_size=300), st.integers(0, len(BINARY)))
def test_whatever_the_bytes_nothing_unpinned_is_handed_on(noise, position):
    for data in (noise, BINARY[:position] + noise + BINARY[position:]):
        try:
            kept, _ = openpgp.select(data, [OLD])
        except openpgp.NotOpenPGP:
            continue
        assert {fingerprint for tag, fingerprint in contents(kept) if tag in (6, 14)} <= {OLD}
