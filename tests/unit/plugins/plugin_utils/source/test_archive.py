"""Code from archives: real files and a real HTTP server; what would leave the folder is refused by name."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.plugin_utils.source import source
from ansible_collections.emperor.flask.plugins.plugin_utils.source.cache import UNUSED, Cache
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sources import member, tar


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", tmp_path / "run")


@pytest.fixture
def served(tmp_path):
    """A folder over HTTP, and every path that was asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    (tmp_path / "www").mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=os.fspath(tmp_path / "www"))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}", folder=tmp_path / "www", asked=asked)
    server.shutdown()


def checksum(path):
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def resolve(path, cache, **stated):
    return source.resolve({"archive": str(path), **stated}, cache)


def test_a_single_folder_is_left_away_and_modes_times_and_links_are_kept(tmp_path, cache):
    run = member("shop-1.2/run.sh", mode=0o777)
    run.mtime = 1000
    link = member("shop-1.2/link.py", tarfile.SYMTYPE, "shop.py")
    packed = tar(
        tmp_path / "shop.tar.gz", (link, b""), (member("shop-1.2", tarfile.DIRTYPE), b""), (run, b"x"),
        (member("shop-1.2/shop.py"), b"app = 1\n"),
    )  # fmt: skip
    found = resolve(packed, cache)
    assert found.files == ("link.py", "run.sh", "shop.py")
    status = (found.folder / "run.sh").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o755, 1000)
    assert os.readlink(found.folder / "link.py") == "shop.py"


def test_several_folders_and_a_single_file_stay_where_they_are(tmp_path, cache):
    two = tar(tmp_path / "two.tar.gz", (member("./shop/a.py"), b"a"), (member("./tests/b.py"), b"b"))
    assert resolve(two, cache).files == ("shop/a.py", "tests/b.py")
    one = tar(tmp_path / "one.tar.gz", (member("shop.py"), b"a"))
    assert resolve(one, cache).files == ("shop.py",)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (member("../evil.py"), ["'../evil.py'", "leads out of the archive"]),
        (member("shop/../../evil.py"), ["'shop/../../evil.py'", "leads out"]),
        (member("/etc/evil.py"), ["'/etc/evil.py'", "leads out"]),
        (member("a\\..\\evil.py"), ["'a\\..\\evil.py'", "leads out"]),
        (member("shop/link", tarfile.SYMTYPE, "/etc/passwd"), ["'shop/link' is a link to '/etc/passwd'", "the file"]),
        (member("shop/link", tarfile.SYMTYPE, "../../x"), ["'shop/link' is a link to '../../x'"]),
        (member("shop/hard", tarfile.LNKTYPE, "/etc/passwd"), ["'shop/hard' is a hard link"]),
        (member("shop/null", tarfile.CHRTYPE), ["'shop/null' is a device or pipe"]),
        (member("shop/pipe", tarfile.FIFOTYPE), ["'shop/pipe' is a device or pipe"]),
    ],
)
def test_what_leads_out_or_is_no_file_is_refused_by_name(tmp_path, cache, entry, words):
    packed = tar(tmp_path / "bad.tar.gz", (member("shop/fine.py"), b"fine"), (entry, b""))
    with pytest.raises(Refusal) as refused:
        resolve(packed, cache)
    assert [word for word in [*words, str(packed)] if word not in str(refused.value)] == [], refused.value
    assert [path.name for path in (cache.folder / "trees").iterdir()] == []


def test_nothing_is_written_through_a_link(tmp_path, cache):
    """shop/in is a link into the archive for who reads names alone; through shop/here it would be the folder above."""
    members = [
        (member("shop/here", tarfile.SYMTYPE, "."), b""),
        (member("shop/in", tarfile.SYMTYPE, "here/../.."), b""),
        (member("shop/in/evil.py"), b"evil"),
        (member("other/x.py"), b"x"),
    ]
    with pytest.raises(Refusal, match=r"source.archive: .*(leads out of the source|cannot be unpacked)"):
        resolve(tar(tmp_path / "bad.tar.gz", *members), cache)
    with pytest.raises(Refusal, match="the link .*in leads out of the source"):
        resolve(tar(tmp_path / "bad.tar.gz", *members[:2], members[3]), cache)
    assert not list(tmp_path.rglob("evil.py"))


parts = st.sampled_from(["..", ".", "a", "b", "", "/"])
targets = st.lists(parts, min_size=1, max_size=4).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(targets, st.none() | targets), min_size=1, max_size=6))
def test_whatever_an_archive_holds_nothing_is_written_outside_and_no_link_leads_there(tmp_path, cache, entries):
    members = [
        (member(name, tarfile.SYMTYPE, target) if target is not None else member(name), b"") for name, target in entries
    ]
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache.folder / "trees")}
    packed = tar(tmp_path / "any.tar.gz", *members)
    try:
        found = resolve(packed, cache)
    except Refusal:
        pass
    else:
        assert all(Path(os.path.realpath(found.folder / name)).is_relative_to(found.folder) for name in found.files)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(cache.folder / "trees")}
    assert after - before <= {packed, cache.folder}


def test_a_zip_keeps_modes_and_links_and_is_held_to_the_same(tmp_path, cache):
    def entry(name, mode):
        info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        info.external_attr = mode << 16
        return info

    with zipfile.ZipFile(tmp_path / "shop.zip", "w") as packed:
        packed.writestr(entry("shop/run.sh", stat.S_IFREG | 0o755), "x")
        packed.writestr(entry("shop/link", stat.S_IFLNK | 0o777), "run.sh")
    found = resolve(tmp_path / "shop.zip", cache)
    assert os.readlink(found.folder / "link") == "run.sh"
    assert os.access(found.folder / "run.sh", os.X_OK)
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        packed.writestr(entry("link", stat.S_IFLNK | 0o777), "/etc/passwd")
    with pytest.raises(Refusal, match="'link' is a link to '/etc/passwd'"):
        resolve(tmp_path / "bad.zip", cache)


@pytest.mark.parametrize("content", [b"no archive", b"", b"PK\3\4 half"])
def test_what_is_no_archive_is_refused(tmp_path, cache, content):
    (tmp_path / "shop.tar.gz").write_bytes(content)
    with pytest.raises(Refusal, match="is neither a tar archive nor a zip; pack the code as .tar.gz"):
        resolve(tmp_path / "shop.tar.gz", cache)


def test_half_an_archive_is_refused_and_leaves_nothing(tmp_path, cache):
    whole = tar(tmp_path / "shop.tar.gz", (member("shop.py"), os.urandom(100_000)))
    whole.write_bytes(whole.read_bytes()[:50_000])
    with pytest.raises(Refusal, match="cannot be unpacked"):
        resolve(whole, cache)
    assert list((cache.folder / "trees").iterdir()) == []


def test_an_archive_without_files_is_refused(tmp_path, cache):
    packed = tar(tmp_path / "shop.tar.gz", (member("shop", tarfile.DIRTYPE), b""))
    with pytest.raises(Refusal, match="source.archive: .* has no files to ship"):
        resolve(packed, cache)


def test_a_wrong_checksum_says_both(tmp_path, cache, served):
    packed = tar(served.folder / "shop.tar.gz", (member("shop.py"), b"app = 1\n"))
    wrong = f"sha256:{'0' * 64}"
    for location in (packed, f"{served.url}/shop.tar.gz"):
        with pytest.raises(Refusal, match=rf"source.checksum: .* {checksum(packed)}, but source.checksum says {wrong}"):
            resolve(location, cache, checksum=wrong)


def test_a_url_is_fetched_once(cache, served):
    packed = tar(served.folder / "shop.tar.gz", (member("shop-1/shop.py"), b"app = 1\n"))
    wanted = checksum(packed)
    for _ in range(2):
        found = resolve(f"{served.url}/shop.tar.gz", cache, checksum=wanted)
        assert found.files == ("shop.py",)
    assert found.origin == {"archive": f"{served.url}/shop.tar.gz", "checksum": wanted}
    assert served.asked == ["/shop.tar.gz"]


def test_a_url_that_does_not_answer_is_named_without_its_password(cache, served):
    address = served.url.removeprefix("http://")
    for location in (f"http://me:s3cret@{address}/none.tar.gz", "http://me:s3cret@127.0.0.1:1/none.tar.gz"):
        with pytest.raises(
            Refusal, match=r"source.archive: http://127\S+ cannot be fetched by the controller"
        ) as refused:
            resolve(location, cache, checksum=f"sha256:{'0' * 64}")
        assert "s3cret" not in str(refused.value)


def test_what_no_run_has_asked_for_in_a_month_is_taken_away(tmp_path, cache):
    old = resolve(tar(tmp_path / "old.tar.gz", (member("old.py"), b"")), cache)
    used = resolve(tar(tmp_path / "used.tar.gz", (member("used.py"), b"")), cache)
    for found in (old, used):
        os.utime(found.folder, (time.time() - UNUSED - 60,) * 2)
    resolve(tmp_path / "used.tar.gz", cache)
    resolve(tar(tmp_path / "new.tar.gz", (member("new.py"), b"")), cache)
    assert sorted(path.name for path in (cache.folder / "trees").glob("*/*")) == ["new.py", "used.py"]


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    packed = tar(tmp_path / "shop.tar.gz", (member("shop.py"), b""))
    with pytest.raises(Refusal, match=f"the cache {tmp_path}/file/x on the controller .*set XDG_CACHE_HOME"):
        resolve(packed, Cache(tmp_path / "file/x", tmp_path / "run"))


def test_nobody_else_reads_the_cache(tmp_path, cache):
    resolve(tar(tmp_path / "shop.tar.gz", (member("shop.py"), b"")), cache)
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700


def test_a_work_tree_around_the_cache_has_no_say(tmp_path, cache):
    (tmp_path / ".git").mkdir()
    assert resolve(tar(tmp_path / "shop.tar.gz", (member("shop.py"), b"")), cache).files == ("shop.py",)
    assert shutil.which("git")
