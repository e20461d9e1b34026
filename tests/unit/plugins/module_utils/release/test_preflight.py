"""Whether a second vassal has room: the message says how much is missing of what, and what to do."""

import os

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.release import preflight


def test_a_disk_with_room_is_fine_and_one_without_is_refused(tmp_path):
    there = os.statvfs(tmp_path)
    free = there.f_bavail * there.f_frsize
    preflight.check_disk(str(tmp_path), 0)
    with pytest.raises(
        Refusal,
        match=rf"the disk of {tmp_path} has \d+ MiB left and the release needs \d+ MiB; make room, or lower keep_releases \[disk\]",
    ):
        preflight.check_disk(str(tmp_path), free)


def test_memory_counts_swap_and_says_what_is_missing(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 999999 kB\nMemAvailable:  10240 kB\nSwapFree:  10240 kB\n")
    assert preflight.without_room({"shop": 20 * preflight.MIB}, str(meminfo)) == {}
    refused = preflight.without_room({"shop": 21 * preflight.MIB}, str(meminfo))
    assert "has 20 MiB of memory left and a second vassal beside the live one takes 21 MiB" in refused["shop"]


def test_of_apps_that_are_released_together_the_one_that_has_grown_keeps_nobody_from_it(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemAvailable:  20480 kB\nSwapFree:  0 kB\n")
    needed = {name: mebibytes * preflight.MIB for name, mebibytes in {"hog": 19, "a": 8, "b": 8, "new": 0}.items()}
    refused = preflight.without_room(needed, str(meminfo))
    assert list(refused) == ["hog"]
    assert "has 4 MiB of memory left and a second vassal beside the live one takes 19 MiB" in refused["hog"]
    assert "release it alone (-e app=)" in refused["hog"]


def test_sizes_are_counted(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_bytes(b"x" * 1000)
    assert preflight.size(str(tmp_path)) == 1000
    assert preflight.size(str(tmp_path / "nowhere")) == 0
    assert preflight.resident([os.getpid()]) > preflight.MIB
    assert preflight.resident([2**22 + 1]) == 0


def test_a_queue_that_the_kernel_would_not_hold_is_refused_before_uwsgi_refuses_it(tmp_path):
    (tmp_path / "somaxconn").write_text("1024\n")
    preflight.check_queue("listen = 1024\n", str(tmp_path / "somaxconn"))
    preflight.check_queue("threads = 2\n", str(tmp_path / "somaxconn"))
    with pytest.raises(
        Refusal, match=r"hold 2048 connections \(listen\), but the kernel lets 1024 wait .* or ask for fewer"
    ):
        preflight.check_queue("listen = 1024\nlisten = 2048\n", str(tmp_path / "somaxconn"))
