"""The side effects took logrotate away and held every package lock; the role waited and put it back."""


def test_the_role_waited_for_the_locks(host):
    assert host.package("logrotate").is_installed
    assert "Deactivated successfully" in host.check_output("journalctl --unit busy --output cat")
