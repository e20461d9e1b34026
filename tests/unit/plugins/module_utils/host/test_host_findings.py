"""Files that are not as a role left them, and programs that an upgrade has replaced."""

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import app_findings, fingerprints, host_findings


def test_what_was_changed_is_named_with_its_set(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in "abcde"]
    for path in paths:
        path.write_text("as it was\n")
    notes = tmp_path / "applied"
    notes.mkdir()
    left = {str(path): fingerprints.of(str(path)) for path in paths}
    (notes / "nginx.json").write_text(json.dumps({"left": left}))
    (notes / "older.json").write_text(json.dumps({"left": "a digest of all"}))
    assert host_findings.drifted(str(notes)) == {}
    paths[0].unlink()
    for path in paths[1:4]:
        path.chmod(0o600 if path.stat().st_mode & 0o777 != 0o600 else 0o640)
    found = host_findings.drifted(str(notes))
    assert found == {"nginx": [str(path) for path in paths[:4]]}
    assert host_findings.drifted(str(tmp_path / "nowhere")) == {}
    monkeypatch.setattr(host_findings, "drifted", lambda: found)
    (finding,) = [one for one in app_findings.of_host() if one["code"] == "drift"]
    named = ", ".join(map(str, paths[:3]))
    assert finding["meaning"] == f"not as the set nginx was applied: {named} and 1 more"


MAPS = """\
7f00-7f01 r--p 00000000 08:01 42  /usr/lib/x86_64-linux-gnu/libz.so.1.3.1 (deleted)
7f01-7f02 r-xp 00003000 08:01 42  /usr/lib/x86_64-linux-gnu/{library}
7f02-7f03 r-xp 00000000 00:01 43  /memfd:of the app (deleted)
7f03-7f04 r-xp 00000000 08:01 44  /var/www/shop/venvs/1/lib/own.so (deleted)
"""


@pytest.mark.parametrize(
    ("group", "library", "found"),
    [
        ("0::/system.slice/nginx.service\n", "libssl.so.3 (deleted)", {"nginx": "libssl.so.3"}),
        ("1:name=systemd:/emperor-a\\x2db.slice/uwsgi-emperor@a-b.service\n0::/\n", "libssl.so.3 (deleted)", {"uwsgi-emperor@a-b": "libssl.so.3"}),
        ("0::/system.slice/nginx.service\n", "libssl.so.3", {}),
        ("0::/system.slice/other.service\n", "libssl.so.3 (deleted)", {}),
    ],
    ids=["nginx", "an Emperor", "new", "another unit"],
)  # fmt: skip
def test_a_unit_that_runs_what_was_replaced_is_named(tmp_path, group, library, found):
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cgroup").write_text(group)
    (tmp_path / "7/maps").write_text(MAPS.format(library=library))
    (tmp_path / "8").mkdir()  # it has just ended
    (tmp_path / "uptime").touch()
    assert host_findings.outdated(str(tmp_path)) == found


def test_an_app_with_very_many_processes_and_mappings_keeps_nobody_waiting(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(
        host_findings, "_text", lambda path: read.append(path) or f"0::/uwsgi-emperor@shop.service\n{path}"
    )
    for pid in range(100, 200):
        (tmp_path / str(pid)).mkdir()
    assert host_findings.outdated(str(tmp_path)) == {}
    assert [path for path in read if path.endswith("maps")] == [f"{tmp_path}/{pid}/maps" for pid in range(100, 104)]


def test_a_mapping_looks_so(tmp_path):
    """The kernel's own words for a library that was replaced."""
    copy = tmp_path / "libz.so.1"
    subprocess.run(
        ["sh", "-c", f"cp $(ls /usr/lib/*/libz.so.1 /lib/*/libz.so.1 2>/dev/null | head -n 1) {copy}"], check=True
    )
    program = f"import ctypes, sys; ctypes.CDLL('{copy}'); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        os.unlink(copy)
        with open(f"/proc/{process.pid}/maps") as stream:
            lines = [line for line in stream.read().splitlines() if str(tmp_path) in line and " r-x" in line]
        process.stdin.close()
    assert lines and all(host_findings.REPLACED.match(line.replace(str(tmp_path), "/usr/lib")) for line in lines)
