"""The file of keys is fetched once a day at most, and a missing network or a wrong key is a clear refusal or no matter."""

import io

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.nginx import openpgp, signing_keys
from signed_keys import ARMORED, BINARY, NEW, OLD, STRANGER

URL = "https://nginx.test/keys/nginx_signing.key"
PINNED = openpgp.armored(openpgp.select(BINARY, [OLD])[0])


@pytest.fixture
def web(monkeypatch, tmp_path):
    """A web server whose answers are listed; an exception is raised."""
    answers = []

    def open_url(url, **_):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(signing_keys, "open_url", open_url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return answers


def test_it_is_fetched_once_for_all_hosts(web, tmp_path):
    web += [ARMORED]
    assert [signing_keys.pinned(URL, [OLD], tmp_path) for _ in range(3)] == [PINNED] * 3


def test_a_new_pin_fetches_it_anew(web, tmp_path):
    web += [openpgp.select(BINARY, [NEW])[0], ARMORED]
    signing_keys.pinned(URL, [NEW], tmp_path)
    assert signing_keys.pinned(URL, [OLD], tmp_path) == PINNED


def test_without_a_network_the_old_copy_serves(web, tmp_path, monkeypatch):
    web += [ARMORED, OSError("no route to host")]
    signing_keys.pinned(URL, [OLD], tmp_path)
    monkeypatch.setattr(signing_keys, "FRESH", 0)
    assert signing_keys.pinned(URL, [OLD], tmp_path) == PINNED


def test_without_network_and_copy_the_url_and_a_way_out_are_named(web, tmp_path):
    web += [OSError("no route to host")]
    with pytest.raises(Refusal, match="no route to host") as refusal:
        signing_keys.pinned(URL, [OLD], tmp_path)
    assert URL in str(refusal.value)
    assert "nginx_origin to 'distribution'" in str(refusal.value)


def test_wrong_keys_are_named_beside_the_wanted_and_not_kept(web, tmp_path):
    web += [openpgp.select(BINARY, [NEW, STRANGER])[0]]
    with pytest.raises(Refusal) as refusal:
        signing_keys.pinned(URL, [OLD.lower()], tmp_path)
    assert f"Wanted: {OLD}" in str(refusal.value)
    assert f"Found: {NEW}, {STRANGER}" in str(refusal.value)
    assert not (tmp_path / "emperor-flask").exists()


def test_a_file_of_the_controller_is_read_relative_to_the_inventory(web, tmp_path):
    (tmp_path / "nginx.key").write_bytes(ARMORED)
    assert signing_keys.pinned("nginx.key", [OLD], tmp_path) == PINNED
    with pytest.raises(Refusal, match="no such|No such"):
        signing_keys.pinned("missing.key", [OLD], tmp_path)


def test_a_page_instead_of_keys_is_refused(web, tmp_path):
    web += [b"<html>Log in</html>"]
    with pytest.raises(Refusal, match="not a file of OpenPGP keys"):
        signing_keys.pinned(URL, [OLD], tmp_path)


def test_short_ids_are_no_pins():
    assert signing_keys.malformed([OLD, OLD.lower(), OLD[-16:], ""]) == [OLD[-16:], ""]
