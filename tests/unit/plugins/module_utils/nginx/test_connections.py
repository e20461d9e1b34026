"""Connections of balancers, as the kernel's tables have them."""

from ansible_collections.emperor.flask.plugins.module_utils.nginx import connections

HEAD = "  sl  local_address rem_address   st\n"
V4 = "   0: 0B00000A:0050 {peer}:C350 {state} 0 0 0 0 0\n"
V6 = "   0: 0000000000000000FFFF00000B00000A:0050 {peer}:C350 01 0 0 0 0 0\n"
NINE = "0900000A"  # 10.0.0.9


def tables(tmp_path, v4="", v6=None):
    """A /proc with these tables."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(HEAD + v4)
    if v6 is not None:
        (tmp_path / "net/tcp6").write_text(HEAD + v6)
    return str(tmp_path)


def test_established_connections_of_the_balancers_are_counted(tmp_path):
    v4 = V4.format(peer=NINE, state="01") + V4.format(peer=NINE, state="06") + V4.format(peer="0800000A", state="01")
    assert connections.count(["10.0.0.9"], tables(tmp_path, v4)) == 1


def test_other_ports_do_not_count(tmp_path):
    assert (
        connections.count(["10.0.0.9"], tables(tmp_path, V4.format(peer=NINE, state="01").replace(":0050", ":0016")))
        == 0
    )


def test_an_address_is_the_same_in_both_tables(tmp_path):
    v6 = V6.format(peer="0000000000000000FFFF0000" + NINE) + V6.format(peer="000000FD000000000000000009000000")
    assert connections.count(["10.0.0.9"], tables(tmp_path, v6=v6)) == 1
    assert connections.count(["fd00::9"], str(tmp_path)) == 1


def test_what_is_left_after_the_time_is_told(tmp_path):
    assert connections.wait_until_drained(["10.0.0.9"], 0, tables(tmp_path, V4.format(peer=NINE, state="01"))) == 1
    assert connections.wait_until_drained(["10.0.0.7"], 60, str(tmp_path)) == 0
