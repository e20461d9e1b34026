"""Which mirror did not answer, in the words of Debian 12's and 13's apt."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.mirrors import told

SILENT = """Err:1 https://mirror.example.com/debian bookworm InRelease
  Could not wait for server fd - select (11: Resource temporarily unavailable)
Reading package lists...
E: Failed to fetch https://mirror.example.com/debian/dists/bookworm/InRelease  Could not wait for server fd - select (11: Resource temporarily unavailable)
E: Failed to fetch https://mirror.example.com/debian/dists/bookworm-updates/InRelease  Could not wait for server fd
E: Some index files failed to download. They have been ignored, or old ones used instead."""
PROXY = """E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Could not connect to proxy.example.com:8888 (172.19.0.2).
E: Failed to fetch http://deb.debian.org/debian/dists/bookworm-updates/InRelease  Unable to connect to proxy.example.com:8888:"""
LOCKED = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt-get)"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (SILENT, "the apt mirror https://mirror.example.com/debian within 15 seconds: Could not wait for server"),
        (
            PROXY,
            "the apt mirror http://deb.debian.org/debian within 15 seconds: Could not connect to proxy.example.com:8888",
        ),
    ],
    ids=["silent mirror", "dead proxy"],
)
def test_a_mirror_is_named_once_with_reason_time_and_remedy(output, said):
    first, remedy = told(output, 15.2).splitlines()
    assert said in first
    assert "prerequisites_apt_mirror" in remedy


def test_what_is_no_mirrors_fault_is_not_put_on_one():
    assert told(LOCKED, 0.1) is None
