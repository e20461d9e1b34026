"""What nginx has answered, read from its log."""

import json
import time

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host import answers


def test_requests_of_the_last_minutes_are_counted_by_app(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "LOG", str(tmp_path / "access.log"))
    assert answers.by_app(time.time() - 300) == {}
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    old = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 400))
    entries = [(old, "shop", 500), (now, "shop", 200), (now, "shop", 503), (now, "blog", 404)]
    lines = [
        json.dumps({"time": when, "app": app, "status": status}, separators=(",", ":")) for when, app, status in entries
    ]
    (tmp_path / "access.log").write_text(
        "\n".join([*lines, "half a line", '{"time":"x","app":[],"status":"y"}']) + "\n"
    )
    assert answers.by_app(time.time() - 300) == {"shop": (2, 1), "blog": (1, 0)}


@pytest.mark.parametrize("said", ["\u2028" + "[" * 10**5, "\u2028{", "\x85", '"},"app":"shop'])
def test_what_a_client_says_is_no_entry_of_its_own(tmp_path, monkeypatch, said):
    monkeypatch.setattr(answers, "LOG", str(tmp_path / "access.log"))
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    escaped = said.replace('"', '\\"')
    line = f'{{"time":"{now}","app":"blog","uri":"/?{escaped}","status":200}}\n'
    (tmp_path / "access.log").write_text(line + "[" * 10**5 + "\n", encoding="utf-8")
    assert answers.by_app(time.time() - 300) == {"blog": (1, 0)}


@pytest.mark.parametrize(("size", "known"), [(40, False), (60, True), (10**6, True)])
def test_a_count_is_known_only_where_the_window_was_read_whole(tmp_path, monkeypatch, size, known):
    """Nothing is told rather than too little: whoever sends much would hide the errors of others."""
    monkeypatch.setattr(answers, "LOG", str(tmp_path / "access.log"))
    monkeypatch.setattr(answers, "LEAST_LOG", 100)
    monkeypatch.setattr(answers, "MOST_LOG", size * 60)
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    old = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 400))
    lines = [f'{{"time":"{when}","app":"a","status":500}}\n' for when in [old] * 50 + [now] * 50]
    assert {len(line) for line in lines} == {60}
    (tmp_path / "access.log").write_text("".join(lines))
    assert answers.by_app(time.time() - 300) == ({"a": (50, 50)} if known else None)


def test_answers_of_all_releases_and_of_nginx_itself_are_an_apps(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "LOG", str(tmp_path / "access.log"))
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    entries = [("1a", 200), ("1a", 500), ("2b", 200), ("", 502)]
    lines = [f'{{"time":"{now}","app":"shop","release":"{release}","status":{status}}}' for release, status in entries]
    (tmp_path / "access.log").write_text("\n".join(lines) + "\n")
    assert answers.by_app(time.time() - 300) == {"shop": (4, 2)}


def test_what_comes_is_followed_however_much_and_through_a_rotation(tmp_path, monkeypatch):
    log = tmp_path / "access.log"
    monkeypatch.setattr(answers, "LOG", str(log))
    monkeypatch.setattr(answers, "LEAST_LOG", 100)

    def write(*statuses, end="\n"):
        with log.open("a") as stream:
            stream.write("\n".join(f'{{"app":"shop","status":{status}}}' for status in statuses) + end)

    assert answers.Following().look() == {}, "there is no log yet"
    write(500, 500)
    following = answers.Following()
    assert following.look() == {}
    write(*[200] * 50, 503)
    assert following.look() == {"shop": (51, 1)} == following.look()
    write(500, end="")  # half written
    assert following.look() == {"shop": (51, 1)}
    write(200, end="\n")
    log.rename(tmp_path / "access.log.1")
    write(502, 200)
    assert following.look() == {"shop": (53, 2)}
