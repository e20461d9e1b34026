"""Who did what to which app: lines that a program can read, and that survive what is written beside them."""

import json

from ansible_collections.emperor.flask.plugins.module_utils.host import audit


def test_a_line_is_json_and_only_root_and_its_group_read_it(tmp_path):
    file = str(tmp_path / "log/audit.log")
    audit.note("shop", "release", "anna@laptop", file=file, before="ab12", release="cd34")
    audit.note("blog", "removed", 'eve"\n@x', file=file)
    first, second = (tmp_path / "log/audit.log").read_text().splitlines()
    told = json.loads(first)
    assert told.pop("time").endswith("Z")
    assert told == {"app": "shop", "what": "release", "by": "anna@laptop", "before": "ab12", "release": "cd34"}
    assert json.loads(second)["by"] == 'eve"\n@x'
    assert (tmp_path / "log/audit.log").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o750


def test_what_was_noted_of_an_app_is_read_again_without_what_a_full_disk_has_cut(tmp_path):
    file = tmp_path / "audit.log"
    audit.note("shop", "release", "anna@laptop", file=str(file))
    with file.open("a") as stream:
        stream.write('{"time": "20\n[]\n')
    audit.note("blog", "release", "anna@laptop", file=str(file))
    audit.note("shop", "rollback", "bob@desk", file=str(file))
    noted = list(audit.lines(str(file)))
    assert [line["what"] for line in noted if line["app"] == "shop"] == ["release", "rollback"]
    assert list(audit.lines(str(tmp_path / "none"))) == []


def test_who_deployed_a_release_is_known_after_a_rotation(tmp_path):
    file = tmp_path / "audit.log"
    audit.note("shop", "release", "anna@laptop", file=str(file), release="ab12")
    file.rename(tmp_path / "audit.log.1")
    audit.note("shop", "release", "bob@desk", file=str(file), release="cd34")
    audit.note("shop", "command", "eve@x", file=str(file), command="id")
    audit.note("blog", "release", "anna@laptop", file=str(file), release="ab12")
    assert audit.deployed(str(file)) == {
        "shop": {"ab12": "anna@laptop", "cd34": "bob@desk"},
        "blog": {"ab12": "anna@laptop"},
    }
