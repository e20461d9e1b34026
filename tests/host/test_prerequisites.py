"""The side effects took logrotate away and held every package lock; the role waited and put it back."""


def test_the_role_waited_for_the_locks(host):
    assert host.package("logrotate").is_installed
    released = host.file("/var/tmp/locks-released").mtime
    assert host.file("/var/lib/dpkg/info/logrotate.list").mtime > released
