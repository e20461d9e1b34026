"""What an operator is shown of what apps said: no secret in any of the ways in which programs write one, nothing that drives a terminal."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.action import ActionBase
from ansible.template import Templar
from ansible_collections.emperor.flask.plugins.action import configuration, release, uwsgi_build
from ansible_collections.emperor.flask.plugins.module_utils.release.shell_exports import exports
from ansible_collections.emperor.flask.plugins.plugin_utils.release import messages
from hypothesis import given
from hypothesis import strategies as st

KEY = "-----BEGIN KEY-----\nMIIEvQ'IB\"ADANBg\\kqhkiG9w0B+AQEF\nabc\n-----END KEY-----\n"
# How a program may write a value: bare, or within quotes of its own.
WRITERS = {
    "as it is": str,
    "repr": repr,
    "repr of more": lambda text: repr({"both quotes": f"'{text}\""}),
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps({"key": text}, ensure_ascii=False),
    "percent": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "shell": shlex.quote,
    "exports": lambda text: exports({"KEY": text}),
    "indented": lambda text: text.replace("\n", "\n    "),
    "lines": lambda text: "\n".join(text.splitlines()),
    "backwards": lambda text: "\n".join(reversed(text.splitlines())),
}
each_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
# No asterisk, of which blots are made; no NUL, which no environment has.
secrets = st.text(st.characters(exclude_characters="*\0", exclude_categories=["Cs"]), min_size=messages.SHORT)


@each_writer
def test_no_line_of_a_secret_is_shown(write):
    text = messages.shown(f"error: {write(KEY)}: denied", [KEY])
    for part in ("BEGIN", "MIIE", "ADANB", "kqhk", "AQEF", "END"):
        assert part not in text
    assert text.startswith("error: ")
    assert text.endswith(": denied")
    assert messages.BLOT in text


def test_a_line_alone_is_blotted_out_and_a_short_one_is_left():
    assert messages.shown("abc -----END KEY-----", [KEY]) == "abc ********"
    assert messages.shown("abc abcd", ["abc", "abcd"]) == "abc ********"


def test_what_overlaps_leaves_nothing_of_either():
    for known in (["abcdef", "defghijk"], ["defghijk", "abcdef"], ["abcdefghijk", "abcd", "hijk"]):
        assert messages.shown("<abcdefghijk>", known) == "<********>"


def test_a_secret_that_comes_to_light_by_an_escape_is_blotted_out():
    assert messages.shown("see \x1b73c", ["x1b73c"]) == "see \\********"
    assert messages.shown("see to\x1bken and to\\x1bken", ["to\x1bken"]) == "see ******** and ********"


@given(st.text(), st.lists(secrets, max_size=3), st.data())
def test_whatever_is_said_no_piece_of_a_secret_is_left(noise, known, data):
    parts = [noise]
    for secret in known:
        write = data.draw(st.sampled_from(list(WRITERS.values())))
        parts += [write(secret), data.draw(st.text())]
    text = messages.shown("".join(parts), known)
    for secret in known:
        for line in (secret, *secret.splitlines()):
            assert len(line.strip()) < messages.SHORT or line.strip() not in text


@given(st.text())
def test_nothing_is_shown_but_what_can_be_printed(text):
    shown = messages.visible(text)
    assert all(character.isprintable() or character in "\n\t" for character in shown)
    assert messages.visible(shown) == shown
    if all(character.isprintable() or character in "\n\t" for character in text):
        assert shown == text


@pytest.mark.parametrize(
    ("character", "escape"),
    [
        ("\x1b", r"\x1b"),
        ("\x9b", r"\x9b"),
        ("\x07", r"\x07"),
        ("\x7f", r"\x7f"),
        ("\r", r"\r"),
        *((chr(code), f"\\u{code:x}") for code in (0x200E, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028)),
    ],
)
def test_what_drives_a_terminal_or_turns_text_around_becomes_an_escape(character, escape):
    assert messages.visible(f"a{character}b\tc\r\nä 漢 😀\n") == f"a{escape}b\tc\nä 漢 😀\n"


def test_of_a_result_what_others_said_is_changed_and_nothing_else():
    plan = {"apps": [{"name": "shop", "activation": "0123.1"}]}
    result = {"failed": True, "msg": "0123 \x1b[2J", "plan": plan, "hooks": {"shop": ["shop 0123\x9b", 7, None]}}
    assert messages.of(result, ["0123"]) == {
        "failed": True,
        "msg": "******** \\x1b[2J",
        "plan": plan,
        "hooks": {"shop": ["shop ********\\x9b", 7, None]},
    }


def failure(msg):
    """What ansible-core makes of a module that failed."""
    said = json.dumps({"failed": True, "msg": msg})
    result = ActionBase._parse_returned_data(SimpleNamespace(), {"stdout": said, "rc": 1}, "legacy")
    assert "title" in repr(result["exception"])
    return result


class Acted:
    """An action without a host: its module fails with these words."""

    def __init__(self, *arguments, **task):
        loader = DataLoader()
        secret = {"name": "shop", "module": "shop:app", "secrets": {"KEY": KEY}}
        self.variables = {
            "flask_apps": [secret],
            "inventory_dir": str(Path("/inventory")),
            "inventory_hostname": "web1",
            "ansible_play_hosts_all": ["web1"],
            "hostvars": {"web1": {}},
        }
        self._templar, self._loader = Templar(loader=loader, variables=self.variables), loader
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp"))
        self._task = SimpleNamespace(args=task, check_mode=False, async_val=0, action="x", diff=False)

    def run(self, tmp=None, task_vars=None):
        return super().run(task_vars=self.variables)

    def _execute_module(self, *_arguments, **_more):
        return failure(f"the log: {KEY}\x1b]0;title\x07")


class Release(Acted, release.ActionModule):
    pass


class Configuration(Acted, configuration.ActionModule):
    pass


class Build(Acted, uwsgi_build.ActionModule):
    pass


@pytest.mark.parametrize("step", ["candidate", "switch", "retire", "revert"])
def test_a_failed_step_of_a_release_tells_no_secret_and_drives_no_terminal(step):
    app = dict.fromkeys(("name", "renamed_from", "why", "before", "activation", "keep", "back", "opens"))
    result = Release(step=step, plan={"apps": [{**app, "name": "shop", "hooks": []}]}).run()
    assert "the log: ********\\x1b]0;title\\x07" in result["msg"]
    assert "title" not in repr({**result, "msg": ""})


def test_an_app_that_fails_beside_another_tells_no_secret_and_drives_no_terminal(capsys):
    app = dict.fromkeys(("renamed_from", "why", "before", "activation", "keep", "back", "opens"))
    action = Release(step="candidate", plan={"apps": [{**app, "name": name, "hooks": []} for name in ("shop", "blog")]})
    action._execute_module = lambda *_, **__: {"failures": {"shop": f"the log: {KEY}\x1b]0;title\x07"}, "by_app": {}}
    result = action.run()
    assert result["failures"] == {"shop": "the log: ********\\x1b]0;title\\x07"}
    assert not result.get("failed")
    said = capsys.readouterr()
    assert "the log: ********" in said.out + said.err and "\x1b]0;" not in said.out + said.err


def test_a_command_that_refuses_a_configuration_drives_no_terminal():
    result = Configuration(set="nginx", check=["nginx", "-t"]).run()
    assert result["msg"].endswith("\\x1b]0;title\\x07")
    assert "title" not in repr({**result, "msg": ""})


def test_a_build_that_fails_drives_no_terminal():
    with pytest.raises(AnsibleActionFail) as raised:
        Build(version="2.0.31", checksum="c0ffee", pythons=["/usr/bin/python3"]).run()
    assert str(raised.value).endswith("\\x1b]0;title\\x07")
    assert "title" not in repr({**raised.value._result, "msg": ""})
