"""What is refused, and in which words: every message names app, key, value and remedy."""

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.plugin_utils.checks import (
    denied_networks,
    host_abilities,
    limits,
    server_names,
    tls,
)
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps, argument_specs

DEMOAPP = Path(__file__).parents[5] / "examples/demoapp"
HOST = {
    "distribution": "Debian",
    "version": "13",
    "codename": "trixie",
    "ipv6": True,
    "pythons": {"/usr/bin/python3": "3.13", "/opt/python9": None, "/opt/python3.7": "3.7", "/opt/pyenv": "3.13"},
    "pythons_behind": {"/usr/bin/python3": None, "/opt/pyenv": "/home"},
    "accounts": {"root": "/root", "mail": "/var/mail", "www-data": "/var/www", "ours": "/var/www/ours"},
    "groups": ["root", "mail", "sudo"],
    "becoming": {},
    "folders": ["old", "ours"],
    "somaxconn": 4096,
    "somaxconn_can_be_set": True,
    "open_files": 1048576,
    "cpus": 4,
    "memory": 2**31,
    "sites": {"ours.conf": "/var/www/ours/ours_nginx.conf", "blog.conf": None},
}


def app(**changes):
    """A right app, but for the changes."""
    return {"name": "shop", "module": "hello:app", "source": {"path": str(DEMOAPP)}, **changes}


def ready(**changes):
    """A right app as hosts are asked about it."""
    return apps.prepare(app(**changes), Path("/inventory"))[0]


def mistakes(changes):
    """What is wrong with an app, in one text."""
    return "\n".join(apps.prepare({**app(), **changes}, Path("/inventory"))[1])


def test_a_right_app_is_completed_and_converted():
    ready, found = apps.prepare(app(threads="4", server_names=["shop.test"]), Path("/inventory"))
    assert found == []
    assert ready["threads"] == 4
    assert ready["processes"] is None
    assert ready["health"] == {"path": "/", "status": ["200-399"], "timeout": 30}


def test_a_relative_source_starts_from_the_inventory():
    ready, found = apps.prepare(app(source={"path": "examples/demoapp"}), DEMOAPP.parents[1])
    assert (ready["source"]["path"], found) == (str(DEMOAPP), [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"server_name": ["a"]}, ["unknown key 'server_name'", "did you mean 'server_names'?"]),
        ({"health": {"pth": "/up"}}, ["unknown key 'health.pth'", "did you mean 'path'?"]),
        (
            {"source": {"path": ".", "url": "x"}},
            ["unknown key 'source.url'", "The keys here are archive, checksum, git, package, path, version"],
        ),
        ({"threads": "many"}, ["threads is 'many'", "write a whole number"]),
        ({"health": {"timeout": "soon"}}, ["health.timeout is 'soon'", "write a whole number"]),
        ({"server_names": {"a": 1}}, ["server_names is {'a': 1}", "write a list"]),
        ({"env": "nonsense"}, ["env is 'nonsense'", "write a dictionary"]),
        ({"module": None}, ["module"]),
        ({"name": "Shop"}, ["name 'Shop'", "small letter"]),
        ({"name": "shop.eu"}, ["name 'shop.eu'", "small letters, digits, '_' or '-'"]),
        ({"name": "s" * 33}, ["33 characters", "31", "shorten it"]),
        ({"limits": {"memory": "lots"}}, ["limits.memory is 'lots'", "512M or 2G", "50%"]),
        ({"drain": 90}, ["drain is 90", "from 1 to 55", "the Emperor ends"]),
        ({"drain": 0}, ["drain is 0"]),
        ({"idle": "5s"}, ["idle is '5s'", "such as 15m", "at least 10 seconds", "0 keeps the app awake"]),
        ({"idle": "a while"}, ["idle is 'a while'", "write seconds"]),
        ({"idle": True}, ["idle is 'True'"]),
        ({"idle": "15m", "preload": True}, ["idle is 15m, but preload is true", "remove preload, or say idle: 0"]),
        ({"idle": 900, "vassal_extra": {"cheaper": 1}}, ["idle is 900, but vassal_extra has 'cheaper'"]),
        ({"concurrency": "asyncio"}, ["concurrency", "asyncio", "threads, gevent"]),
        ({"concurrency": "gevent"}, ["gevent is not among its packages (requirements.txt)", "add it"]),
        ({"concurrency": "gevent", "threads": 4}, ["threads is 4, but concurrency is gevent", "remove threads"]),
        ({"limits": {"memory": "120%"}}, ["limits.memory is '120%'"]),
        ({"limits": {"memory": "32M"}}, ["limits.memory is 32M", "at least 64M"]),
        ({"limits": {"cpu": "2"}}, ["limits.cpu is '2'", "150% for one and a half"]),
        ({"limits": {"files": 100}}, ["limits.files is 100", "for 16 threads it must be from 272"]),
        ({"limits": {"log": "1k"}}, ["limits.log is '1k'", "512M or 2G"]),
        ({"limits": {"log": "1M"}}, ["limits.log is 1M, less than client_max_body_size 75m", "raise limits.log"]),
        ({"limits": {"ram": "1G"}}, ["unknown key 'limits.ram'", "memory"]),
        ({"timeouts": {"hook": 0}}, ["timeouts.hook is 0", "at least 1"]),
        ({"name": "default"}, ["name 'default'", "choose another"]),
        ({"source": {"path": ""}}, ["source.path is empty", "name the folder"]),
        ({"source": {"path": ".", "git": "x"}}, ["source has path and git", "exactly one of"]),
        ({"source": {}}, ["source names no code", "exactly one of"]),
        ({"source": {"git": "x", "version": 1.10}}, ["source.version is the number 1.1", "in quotes"]),
        ({"source": {"git": "nowhere.git"}}, ["source.git: there is no repository /inventory/nowhere.git"]),
        ({"source": {"package": "shop==1"}, "requirements": ["a.txt"]}, ["requirements names files of the source"]),
        (
            {"source": {"package": "shop==1"}, "shared": ["instance"]},
            ["shared has 'instance', but source.package has no folders", "named var/hello-instance"],
        ),
        ({True: "x"}, ["unknown key 'True'", "quotes"]),
        ({"processes": True}, ["processes is True", "number"]),
        ({"system_packages": ["--purge"]}, ["system_packages has '--purge'", "such as libmagic1"]),
        ({"module": "hello world"}, ["module 'hello world'", "package.module:app"]),
        (
            {"server_names": ["https://shop.test/"]},
            ["server_names has 'https://shop.test/'", "name alone", ": shop.test"],
        ),
        (
            {"server_names": ["shop.test:8080"]},
            ["server_names has 'shop.test:8080'", "without scheme, port", ": shop.test"],
        ),
        ({"server_names": ["shop.test/"]}, ["server_names has 'shop.test/'", ": shop.test"]),
        ({"server_names": ["http://me@shop.test:80/a?b"]}, ["has 'http://me@shop.test:80/a?b'", "path: shop.test"]),
        ({"server_names": ["straße.test"]}, ["server_names has 'straße.test'", "xn--"]),
        ({"server_names": ["shop..test"]}, ["server_names has 'shop..test'", "not a host name"]),
        ({"server_names": ["shop,test"]}, ["server_names has 'shop,test'", "not a host name"]),
        ({"server_names": [f"{'a' * 64}.test"]}, ["not a host name", "63 characters"]),
        (
            {"canonical_host": "https://a.test", "server_names": ["a.test"]},
            ["canonical_host has 'https://a.test'", ": a.test"],
        ),
        ({"server_names": ["a b"]}, ["server_names", "'a b'", "one host name per entry"]),
        ({"processes": 0}, ["processes is 0", "at least 1"]),
        ({"client_max_body_size": "lots"}, ["client_max_body_size 'lots'", "75m"]),
        ({"source": {"path": "nowhere"}}, ["source.path", "/inventory/nowhere", "inventory's folder"]),
        ({"requirements": ["no.txt"]}, ["requirements", "'no.txt'", f"{DEMOAPP}/no.txt", "add the file"]),
        ({"requirements": ["../../ansible.cfg"]}, ["'../../ansible.cfg'", "outside"]),
        ({"env": {"DEBUG": True}}, ["env.DEBUG", "in quotes"]),
        ({"secrets": {"KEY": None}}, ["secrets.KEY is nothing", "in quotes"]),
        ({"env": {"1A": "x"}}, ["env: '1A'", "letters, digits and _"]),
        ({"env": {"A": "x"}, "secrets": {"A": "y"}}, ["'A' is in env and in secrets", "keep one"]),
        ({"health": {"path": "up"}}, ["health.path 'up'", "start with '/'"]),
        ({"health": {"status": ["2xx"]}}, ["health.status", "'2xx'", "200-399"]),
        ({"health": {"timeout": 0}}, ["health.timeout is 0", "at least 1 second"]),
        ({"python": "python3"}, ["python 'python3'", "absolute path"]),
        ({"vassal_extra": {"--lazy": True}}, ["vassal_extra", "'--lazy'", "without dashes"]),
        ({"vassal_extra": {"py-call-osafterfork": True}}, ["vassal_extra", "'py-call-osafterfork'", "3.13"]),
        ({"vassal_extra": {"lazy-apps": True}}, ["vassal_extra", "'lazy-apps'", "say preload"]),
        ({"vassal_extra": {"route": "a\nb"}}, ["vassal_extra.route", "one line"]),
        ({"keep_releases": 0}, ["keep_releases is 0", "at least 1"]),
        ({"shared": ["../instance"]}, ["shared has '../instance'", "outside of the release", "such as instance"]),
        ({"shared": ["/srv/uploads"]}, ["shared has '/srv/uploads'", "outside of the release"]),
        ({"shared": ["."]}, ["shared has '.'", "outside of the release"]),
        ({"shared": ["var", "var/uploads"]}, ["shared has 'var/uploads' within 'var'"]),
        ({"hooks": {"before_swich": []}}, ["unknown key 'hooks.before_swich'", "did you mean 'before_switch'?"]),
        ({"hooks": {"build": [" "]}}, ["hooks.build has an empty command"]),
        ({"static": {"static": "a"}}, ["static has 'static'", "write it like /static"]),
        ({"static": {"/static/": "a"}}, ["static has '/static/'", "without a slash at its end"]),
        ({"static": {"/": "a"}}, ["static has '/'", "write it like /static"]),
        ({"static": {"/../etc": "a"}}, ["static has '/../etc'"]),
        ({"static": {"/a b;": "a"}}, ["static has '/a b;'"]),
        ({"static": {1: "a"}}, ["static has '1'"]),
        ({"static": {"/emperor_pages": "a"}}, ["static has '/emperor_pages', which nginx answers itself"]),
        ({"static": {"/static": "../a"}}, ["static names '../a' for /static", "a folder of the code", "shop/static"]),
        ({"static": {"/static": "/srv"}}, ["static names '/srv'", "a folder of the code"]),
        ({"static": {"/static": "."}}, ["static names '.'", "everybody may read"]),
        ({"static": {"/static": "a/../.."}}, ["static names 'a/../..'"]),
        ({"static": {"/static": None}}, ["static names 'None'"]),
        ({"static": {"/s": "a", "/s/t": "b"}}, ["static has '/s/t' within '/s'", "put the files together"]),
        (
            {"static": {"/s": "a"}, "shared": ["a/up"]},
            ["static names 'a' for /s, and shared 'a/up'", "keep them apart"],
        ),
        ({"static": {"/s": "a/b"}, "shared": ["a"]}, ["static names 'a/b' for /s, and shared 'a'"]),
        ({"static": {"/s": "none"}}, [f"static names 'none' for /s, but there is no folder {DEMOAPP}/none"]),
        ({"static": {"/s": "hello.py"}}, ["static names 'hello.py' for /s, but there is no folder"]),
        ({"rate_limit": {"requests": -1}}, ["rate_limit.requests is -1", "from 0, for no limit"]),
        ({"rate_limit": {"request": 5}}, ["unknown key 'rate_limit.request'", "did you mean 'requests'?"]),
        ({"rate_limit": {"burst": "lots"}}, ["rate_limit.burst is 'lots'", "a whole number"]),
        ({"rate_limit": {"burst": 10**9}}, ["rate_limit.burst is 1000000000", "to 100000"]),
        ({"connection_limit": -1}, ["connection_limit is -1", "from 0, for no limit"]),
        ({"security_headers": {"X Frame": "a"}}, ["security_headers has 'X Frame'", "like X-Frame-Options"]),
        (
            {"security_headers": {"X-A": "a\nSet-Cookie: b"}},
            ["security_headers.X-A is 'a\\nSet-Cookie: b'", "one line"],
        ),
        ({"security_headers": {"X-A": ["a"]}}, ["security_headers.X-A is ['a']", "in quotes"]),
        ({"security_headers": {"X-A": True}}, ["security_headers.X-A is True", "in quotes"]),
        ({"security_headers": {"X-A": "1", "x-a": "2"}}, ["security_headers has 'x-a' 2 times", "keep one"]),
        ({"security_headers": {"Strict-Transport-Security": "max-age=1"}}, ["say tls.hsts"]),
        ({"security_headers": {"x-request-id": "1"}}, ["security_headers has 'x-request-id'", "remove it"]),
        ({"security_headers": "DENY"}, ["security_headers is 'DENY'", "a dictionary"]),
        ({"maintenance": "perhaps"}, ["maintenance is 'perhaps'", "true or false"]),
        ({"state": "gone"}, ["state", "present, absent", "gone"]),
        ({"nginx_template": "own.j2"}, ["nginx_template: there is no file /inventory/own.j2", "inventory's folder"]),
        ({"tls": {"mode": "file"}}, ["tls", "none, self_signed, files, acme", "file"]),
        ({"tls": {"certificat": "a"}}, ["unknown key 'tls.certificat'", "did you mean 'certificate'?"]),
        ({"tls": {"hsts": -1}}, ["tls.hsts is -1", "63072000"]),
        ({"tls": {"mode": "self_signed"}}, ["tls.mode is self_signed", "server_names is empty", "give the app some"]),
        (
            {"tls": {"mode": "files", "key": "k"}, "server_names": ["a.test"]},
            ["tls.mode is files", "tls.certificate names no file", "relative to the inventory"],
        ),
        ({"tls": {"certificate": "c"}}, ["tls.certificate is given", "tls.mode is none", "set tls.mode to files"]),
        (
            {"tls": {"mode": "self_signed"}, "server_names": ["192.0.2.1"]},
            ["server_names has '192.0.2.1'", "name no host when they begin TLS", "remove it"],
        ),
        ({"tls": {"mode": "acme"}, "server_names": ["[2001:db8::1]"]}, ["server_names has '[2001:db8::1]'"]),
        ({"tls": {"mode": "self_signed"}, "server_names": ["~^a"]}, ["'~^a'", "no certificate can cover", "plain"]),
        ({"tls": {"mode": "acme"}, "server_names": ["*.a.test"]}, ["'*.a.test'", "acme cannot prove", "or use files"]),
        ({"canonical_host": "b.test", "server_names": ["a.test"]}, ["canonical_host 'b.test'", "(a.test)", "add it"]),
        ({"canonical_host": "*.test", "server_names": ["*.test"]}, ["canonical_host '*.test'", "name one host"]),
        ({"vassal_template": "/own.j2"}, ["vassal_template: there is no file /own.j2"]),
    ],
)
def test_a_mistake_is_named_with_its_remedy(changes, words):
    text = mistakes(changes)
    assert [word for word in words if word not in text] == [], text


def test_the_files_of_tls_are_relative_to_the_inventory():
    files = {"mode": "files", "certificate": "tls/shop.pem", "key": "/etc/shop.key"}
    ready, found = apps.prepare(app(tls=files, server_names=["shop.test", ".b.test"]), Path("/inventory"))
    assert found == []
    assert (ready["tls"]["certificate"], ready["tls"]["key"]) == ("/inventory/tls/shop.pem", "/etc/shop.key")
    assert tls.certificate_names(ready["server_names"]) == ["shop.test", "b.test", "*.b.test"]


def test_static_files_that_are_not_shipped_or_lead_out_are_named_with_their_remedy(tmp_path):
    (tmp_path / "static/empty").mkdir(parents=True)
    (tmp_path / "hello.py").write_text("app = 1\n")
    (tmp_path / "static/hello.txt").symlink_to("../hello.py")
    source = {"path": str(tmp_path)}
    assert f"no file of {tmp_path}/static/empty is shipped: git ignores them" in mistakes(
        {"source": source, "static": {"/e": "static/empty"}}
    )
    assert f"static: the link {tmp_path}/static/hello.txt leads out of 'static'; replace it by the file" in mistakes(
        {"source": source, "static": {"/s": "static"}}
    )


def test_static_files_that_a_build_hook_makes_need_not_be_in_the_source():
    assert mistakes({"static": {"/static": "made"}, "hooks": {"build": ["mkdir made"]}}) == ""


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({}, {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN"}),
        ({"x-frame-options": "DENY"}, {"X-Content-Type-Options": "nosniff", "x-frame-options": "DENY"}),
        ({"X-Frame-Options": ""}, {"X-Content-Type-Options": "nosniff"}),
        ({"X-Frame-Options": None}, {"X-Content-Type-Options": "nosniff"}),
        ({"Server": 0}, {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Server": 0}),
    ],
)
def test_security_headers_are_the_defaults_but_for_what_the_app_says_of_them(stated, expected):
    ready, found = apps.prepare(app(security_headers=stated), Path("/inventory"))
    assert found == []
    assert ready["security_headers"] == {**expected, "Referrer-Policy": "strict-origin-when-cross-origin"}


def test_an_absent_app_needs_a_name_alone():
    ready, found = apps.prepare({"name": "shop", "state": "absent"}, Path("/inventory"))
    assert (ready["name"], ready["state"], found) == ("shop", "absent", [])
    assert "name 'Shop'" in "\n".join(apps.prepare({"name": "Shop", "state": "absent"}, Path("/inventory"))[1])
    assert "unknown key 'nmae'" in "\n".join(apps.prepare({"nmae": "shop", "state": "absent"}, Path("/"))[1])


def test_a_version_that_was_asked_for_takes_the_place_of_the_inventorys():
    ready, found = apps.prepare(app(source={"package": "shop==1.2"}), Path("/inventory"), "1.3")
    assert (ready["source"]["package"], found) == ("shop==1.3", [])
    (sentence,) = apps.prepare(app(), Path("/inventory"), "1.3")[1]
    assert "version '1.3' was asked for, but source.path is" in sentence


def test_a_source_that_is_not_wanted_is_not_fetched():
    assert apps.prepare(app(source={"git": "http://127.0.0.1:1/x"}), Path("/inventory"), with_source=False)[1] == []


def test_a_secret_stands_in_no_message():
    assert "s3cret" not in mistakes({"secrets": {"KEY": "s3cret\0", "1": "s3cret"}, "env": {"KEY": "s3cret"}})
    assert mistakes({"secrets": "s3cret"}) == "secrets is no such thing; write a dictionary, such as {key: value}"


def test_defaults_are_merged_key_by_key_but_a_source_is_one_thing():
    defaults = {"threads": 4, "env": {"A": "1", "B": "1"}, "source": {"git": "x"}}
    merged = apps.merge(defaults, app(env={"B": "2"}))
    assert (merged["threads"], merged["env"], merged["source"]) == (4, {"A": "1", "B": "2"}, {"path": str(DEMOAPP)})


def every_option(options, outer=()):
    """The paths of all options of an app, nested ones too."""
    for name, option in options.items():
        yield (*outer, name)
        yield from every_option(option.get("options", {}), (*outer, name))


ANYTHING = [
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "text",
    None,
    [],
    ["a"],
    [1],
    [{}],
    [None],
    {},
    {"a": 1},
    {"a": {"b": 1}},
    {1: 2},
]


@pytest.mark.parametrize("path", list(every_option(argument_specs.options("flask_app", "app"))), ids=".".join)
def test_whatever_stands_for_an_option_is_taken_or_named(path):
    for value in ANYTHING:
        entry = app()
        place = entry
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
        _, found = apps.prepare(entry, Path("/inventory"))
        assert not found or any(path[-1] in mistake for mistake in found), (value, found)


def test_names_are_those_that_browsers_ask_for():
    names = [
        "shop.test.",
        "müller.test",
        "*.Müller.test",
        "SHOP.test",
        "shop.test",
        ".b.test",
        "c.*",
        "~^www\\d+\\.test$",
        "a_b.test",
        "$hostname",
    ]
    ready, found = apps.prepare(app(server_names=names, canonical_host="müller.test."), Path("/inventory"))
    assert found == []
    assert ready["server_names"] == [
        "shop.test",
        "xn--mller-kva.test",
        "*.xn--mller-kva.test",
        "SHOP.test",
        *names[5:],
    ]
    assert ready["canonical_host"] == "xn--mller-kva.test"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["b.test", "Shop.test"],
            ["app 'shop'", "has 'Shop.test'", "the app 'old'", "{name: old, state: absent}", "release that first"],
        ),
        ([], ["server_names is empty", "default server", "the app 'first'"]),
        (["other.test"], []),
    ],
)
def test_a_name_that_another_app_of_the_host_has_is_refused_with_both_ways_out(names, words):
    said = server_names.taken({"name": "shop", "server_names": names}, {"shop.test": "old", "_": "first"})
    assert bool(said) == bool(words) and all(word in said for word in words)


def named(name, *server_names, **more):
    return {"name": name, "server_names": list(server_names), **more}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([named("a", "x.test"), named("a", "y.test")], ["app 'a'", "name 'a' is used by 2 apps"]),
        ([named("a", "x.test", renamed_from="a")], ["app 'a': renamed_from is 'a', its own name", "remove the key"]),
        (
            [named("b", "x.test", renamed_from="a"), named("a", "y.test")],
            ["app 'b': renamed_from is 'a', which is in flask_apps too; remove the entry of 'a'"],
        ),
        (
            [named("b", "x.test", renamed_from="a"), {"name": "a", "state": "absent", "server_names": []}],
            ["app 'b': renamed_from is 'a', which is in flask_apps too"],
        ),
        (
            [named("b", "x.test", renamed_from="a"), named("c", "y.test", renamed_from="a")],
            ["app 'c': renamed_from is 'a', and app 'b' says so too", "remove the key from the other"],
        ),
        ([named("a", "x.test"), named("b", "X.test")], ["app 'b'", "'X.test'", "app 'a'", "remove it"]),
        ([named("a"), named("b")], ["app 'b'", "default server", "app 'a'", "server_names"]),
    ],
)
def test_two_apps_cannot_share_what_names_them(entries, words):
    (sentence,) = apps.conflicts(entries)
    assert [word for word in words if word not in sentence] == [], sentence


def test_different_apps_do_not_conflict():
    assert list(apps.conflicts([named("shop", "x.test"), named("shop-2", "y.test"), named("c")])) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mail", ["name 'mail'", "account of the host's own", "/var/mail"]),
        ("www-data", ["name 'www-data'", "account of the host's own"]),
        ("sudo", ["name 'sudo'", "group of the host's own"]),
        ("old", ["/var/www/old", "move it away"]),
        ("blog", ["/etc/nginx/conf.d/blog.conf", "move it away"]),
    ],
)
def test_a_name_that_belongs_to_the_host_is_refused(name, words):
    (sentence,) = host_abilities.refusals(HOST, [ready(name=name, python="/usr/bin/python3")])
    assert [word for word in words if word not in sentence] == [], sentence


def test_streams_need_memory_for_two_releases():
    app = {"processes": 2, "streams": 6000, "limits": {"memory": "50%"}}
    (sentence,) = host_abilities.refusals(HOST, [ready(name="ours", **app)])
    for word in (
        "streams is 6000, and limits.memory is 50%",
        "with 2 processes, need 1125M",
        "lower streams or processes",
    ):
        assert word in sentence
    assert host_abilities.refusals(HOST, [ready(name="ours", **{**app, "streams": 5000})]) == []


LIVE_APPS = {
    "none": ("Flask==3.1.3\n", {}, []),
    "websockets": (
        "Flask\nFlask_Sock==0.7.0\n",
        {},
        ["flask-sock is among its packages, but streams is 0", "say streams: N"],
    ),
    "with streams": ("flask-sock\n", {"streams": 9}, []),
    "Socket.IO": ("Flask-SocketIO>=5\n", {"streams": 9}, ["flask-socketio is among its packages", "say processes: 1"]),
    "Socket.IO with one process": ("flask-socketio\n", {"streams": 9, "processes": 1}, []),
}


GEVENT = {
    "not there": ("Flask\n# gevent\n", True),
    "in an extra": ("gunicorn[gevent]\n", False),
    "by another": ("gevent_websocket\n", False),
    "a fork": ("git+https://github.com/acme/gevent.git@v1#egg=gevent\n", False),
    "in a file elsewhere": ("-r https://example.com/requirements.txt\n", False),
}


@pytest.mark.parametrize(("requirements", "refused"), GEVENT.values(), ids=GEVENT)
def test_greenlets_need_gevent_among_the_packages(tmp_path, requirements, refused):
    (tmp_path / "hello.py").touch()
    (tmp_path / "requirements.txt").write_text(requirements)
    said = mistakes({"source": {"path": str(tmp_path)}, "concurrency": "gevent"})
    assert ("gevent is not among its packages" in said) == refused, said


def test_the_default_for_threads_is_not_an_apps_of_greenlets():
    defaults = {"threads": 8, "harakiri": 9}
    assert apps.defaults_for({"name": "green", "concurrency": "gevent"}, defaults) == {"harakiri": 9}
    assert apps.defaults_for({"name": "plain"}, defaults) == defaults


@pytest.mark.parametrize(("requirements", "changes", "words"), LIVE_APPS.values(), ids=LIVE_APPS)
def test_an_app_whose_packages_need_streams_or_one_process_is_warned_about(tmp_path, requirements, changes, words):
    (tmp_path / "hello.py").touch()
    (tmp_path / "requirements.txt").write_text(requirements)
    said = list(apps.warnings(ready(source={"path": str(tmp_path)}, **changes)))
    assert len(said) == bool(words)
    assert [word for word in words if word not in said[0]] == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory": "64G"}, ["limits.memory is 64G, but the machine has 2048M", "lower it"]),
        ({"cpu": "800%"}, ["limits.cpu is 800%, but the machine has 4 processors, which are 400%"]),
        ({"tasks": 100}, ["limits.tasks is 100", "with 4 processes of 16 threads, need 178", "raise it, or lower"]),
    ],
)
def test_limits_that_do_not_fit_the_machine_or_the_app_are_refused(limits, words):
    (sentence,) = host_abilities.refusals(HOST, [ready(name="ours", limits=limits)])
    assert [word for word in ["app 'ours'", *words] if word not in sentence] == [], sentence


def test_more_memory_than_the_machine_has_is_warned_about_with_the_largest_promises():
    promised = {"shop": "512M", "blog": "1G", "wiki": "25%", "mail": "64M"}
    said = limits.overcommitted(promised, HOST, "web1")
    assert said.startswith(
        "limits.memory of the apps of web1 is 2112M in sum (blog 1G, shop 512M, wiki 25%, 1 more), but the machine has 2048M; "
    )
    assert said.endswith("the kernel kills processes of any app, so lower the largest or give the machine more")
    assert limits.overcommitted({**promised, "mail": "1M"}, HOST, "web1").count("2049M") == 1
    assert limits.overcommitted({"shop": "1G", "blog": "50%"}, HOST, "web1") is None


OURS = {"journal": "/var/www/journal", "notes": "/var/www/notes"}
BEGUN = {"name": "journal", "closed": False, "taken": False}


@pytest.mark.parametrize(
    ("accounts", "becoming", "names", "words"),
    [
        (
            OURS,
            {},
            ("journal", "notes"),
            "app 'journal': renamed_from is 'notes', but 'notes' and 'journal' are both on this host",
        ),
        (
            OURS,
            {"notes": {**BEGUN, "name": "diary"}},
            ("journal", "notes"),
            "are both on this host, and neither is overwritten",
        ),
        (OURS, {"notes": BEGUN}, ("journal", "notes"), None),
        (OURS, {"notes": {**BEGUN, "taken": True}}, ("journal", "notes"), None),
        (OURS, {"notes": BEGUN}, ("notes", None), None),
        (
            OURS,
            {"notes": {**BEGUN, "taken": True}},
            ("notes", None),
            "say name: journal and renamed_from: notes, and run again",
        ),
        ({"notes": OURS["notes"]}, {}, ("journal", "notes"), None),
        ({"journal": OURS["journal"]}, {}, ("journal", "notes"), None),
        ({"journal": OURS["journal"], "notes": "/home/notes"}, {}, ("journal", "notes"), None),
    ],
)
def test_what_is_on_a_host_under_both_names_is_refused_unless_a_run_has_died(accounts, becoming, names, words):
    host = {**HOST, "accounts": accounts, "becoming": becoming}
    said = host_abilities.refusals(host, [ready(name=names[0], renamed_from=names[1])])
    assert len(said) == bool(words) and all(words in sentence for sentence in said)


def test_a_name_before_that_none_can_have_is_refused():
    assert "renamed_from '/var/www/x' is not the name of an app" in mistakes({"renamed_from": "/var/www/x"})


def test_an_account_that_builds_could_not_have_is_refused():
    (sentence,) = host_abilities.refusals({**HOST, "accounts": {"_apt": "/nonexistent"}}, [ready(name="apt")])
    assert "app 'apt': its builds would run as '_apt', which is an account or group of the host's own" in sentence


def test_an_app_of_ours_is_at_home():
    assert host_abilities.refusals(HOST, [ready(name="ours", python="/usr/bin/python3")]) == []


def test_a_missing_python_is_refused():
    (sentence,) = host_abilities.refusals(HOST, [ready(name="ours", python="/opt/python9")])
    assert "python '/opt/python9'" in sentence
    assert "install it" in sentence


def test_a_python_that_is_too_old_is_refused():
    (sentence,) = host_abilities.refusals(HOST, [ready(name="ours", python="/opt/python3.7")])
    assert "app 'ours': python '/opt/python3.7' is Python 3.7; needed is 3.8 or newer" in sentence


def test_a_python_in_a_home_is_refused():
    (sentence,) = host_abilities.refusals(HOST, [ready(name="ours", python="/opt/pyenv")])
    assert "python '/opt/pyenv' lies in /home, which apps cannot look into; install it elsewhere" in sentence


def test_a_kernel_that_lets_too_few_wait_is_refused_where_it_cannot_be_set():
    assert host_abilities.refusals({**HOST, "somaxconn": 128}, []) == []
    (sentence,) = host_abilities.refusals({**HOST, "somaxconn": 128, "somaxconn_can_be_set": False}, [])
    assert "net.core.somaxconn is 128 on this host and cannot be set from within" in sentence
    assert "1024 connections wait; set it to 4096 where the host is started" in sentence


def test_a_host_whose_services_may_open_too_few_files_is_refused():
    (sentence,) = host_abilities.refusals({**HOST, "open_files": 1024}, [])
    assert "services of this host may open 1024 files, but a worker of nginx needs 16384; raise fs.nr_open" in sentence


def test_an_unsupported_system_is_refused():
    (sentence,) = host_abilities.refusals({**HOST, "distribution": "Fedora", "version": "42"}, [])
    assert "Fedora 42" in sentence
    assert "Ubuntu 22.04 24.04 26.04" in sentence


def test_a_resolver_that_apps_are_denied_is_refused():
    networks = argument_specs.options("uwsgi_emperor")[denied_networks.VARIABLE]["default"]
    (sentence,) = denied_networks.refusals({"nameservers": ["127.0.0.53", "169.254.169.254", "what?"]}, networks)
    assert "the name server 169.254.169.254 of this host (/etc/resolv.conf) is in 169.254.0.0/16" in sentence
    assert "leave that network out" in sentence
    (sentence,) = denied_networks.refusals({"nameservers": ["fe80::1%eth0"]}, networks)
    assert "fe80::/64" in sentence
    assert list(denied_networks.refusals({"nameservers": ["169.254.169.254"]}, [])) == []


def test_what_is_no_network_cannot_be_denied():
    (sentence,) = denied_networks.mistakes({denied_networks.VARIABLE: ["10.0.0.0/8", "169.254/16"]})
    assert "uwsgi_emperor_denied_addresses has '169.254/16', which is not a network" in sentence


def test_an_app_that_another_sends_visitors_to_does_not_go():
    sends = {**named("new", "new.test"), "nginx_extra": "return 301 https://Old.test$request_uri;"}
    old = {**named("old", "old.test", "x.test"), "state": "absent"}
    (sentence,) = apps.conflicts([sends, old])
    assert "app 'old' is to be absent, but nginx_extra of app 'new' sends visitors to old.test" in sentence
    assert list(apps.conflicts([sends, old, named("heir", "old.test")])) == []
    assert list(apps.conflicts([{**sends, "nginx_extra": "return 301 https://old.test.example;"}, old])) == []
    assert list(apps.conflicts([{**sends, "state": "absent"}, old])) == []
