"""What identifies a release, and when a host is left alone."""

from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.release.identity import keyed_digest
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import apps
from ansible_collections.emperor.flask.plugins.plugin_utils.release import plans
from ansible_collections.emperor.flask.plugins.plugin_utils.release.rendered import Rendered, Stage

DEMOAPP = Path(__file__).parents[5] / "examples/demoapp"
SALT = "00" * 16


def release(
    python="3.13", uwsgi="/opt/uwsgi/pyuwsgi-2.0.31-python3.13/bin/uwsgi", ini="[uwsgi]", conf="server {}", **changes
):
    """A release of the demo's app, but for the changes."""
    entry = {"name": "shop", "module": "hello:app", "source": {"path": str(DEMOAPP)}, **changes}
    app, mistakes = apps.prepare(entry, Path("/"))
    assert mistakes == []
    return Rendered(Stage.read(app, python), app, python, uwsgi, [], ini, conf)


def seen(live, **changes):
    """A host that serves this release."""
    secrets = {"salt": SALT, "digest": keyed_digest(SALT, live.secrets)}
    state = {
        "release": live.identity,
        "manifest": live.manifest,
        "findings": [],
        "secrets": secrets,
        "files": live.files(),
    }
    return {**state, **changes}


def test_the_id_is_the_same_every_time():
    assert release().identity == release().identity
    assert len(release().identity) == 12


@pytest.mark.parametrize(
    "changes",
    [
        {"python": "3.14"},
        {"uwsgi": "/opt/uwsgi/pyuwsgi-2.0.32-python3.13/bin/uwsgi"},
        {"ini": "[uwsgi]\nthreads = 2"},
        {"conf": "server { }"},
        {"env": {"A": "1"}},
        {"module": "hello:other"},
    ],
    ids=str,
)
def test_whatever_is_part_of_a_release_makes_another(changes):
    assert release(**changes).identity != release().identity


def test_an_app_that_stays_awake_has_the_id_that_it_always_had_and_a_span_is_its_seconds():
    awake, asleep = release(), release(idle="15m")
    assert "idle" not in awake.manifest and release(idle=0).identity == awake.identity
    assert asleep.manifest["idle"] == 900
    assert asleep.identity == release(idle=900).identity == release(idle="900s").identity != awake.identity
    assert release(idle="2h").manifest["idle"] == 7200


def test_code_makes_another_release(tmp_path):
    (tmp_path / "hello.py").write_text("app = 1\n")
    first = release(source={"path": str(tmp_path)}).identity
    (tmp_path / "hello.py").write_text("app = 2\n")
    assert release(source={"path": str(tmp_path)}).identity != first


def test_the_instance_folder_of_a_package_is_part_of_its_environment_and_other_paths_are_of_the_code(tmp_path):
    package = {"source": {"package": "shop==1"}, "module": "shop:app"}
    without, shared = release(**package).stage, release(**package, shared=["var/shop-instance"]).stage
    assert (shared.instances, shared.code) == (["var/shop-instance"], without.code)
    assert shared.venv != without.venv
    without, shared = release().stage, release(shared=["var/hello-instance"]).stage
    assert (shared.instances, shared.venv) == ([], without.venv)
    assert shared.code != without.code


def test_static_files_are_those_of_the_code_under_the_same_urls(tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static/app.css").write_text("body {}")
    source = {"path": str(tmp_path)}
    first = release(source=source, static={"/static": "static"})
    assert (
        first.request()["static"] == release(source=source, static={"/static": "static"}, env={"A": "1"}).stage.static
    )
    assert first.identity != release(source=source).identity
    assert first.stage.static != release(source=source, static={"/assets": "static"}).stage.static
    (tmp_path / "hello.py").write_text("app = 1\n")
    assert first.stage.static != release(source=source, static={"/static": "static"}).stage.static
    assert release().request()["static"] == ""


def test_secrets_are_not_part_of_a_release_but_a_host_with_others_is_not_left_alone():
    plain, secret = release(), release(secrets={"KEY": "s3cret"})
    assert plain.identity == secret.identity
    assert not secret.is_live(seen(plain))


@pytest.mark.parametrize(
    "changes",
    [{"release": None}, {"release": "other"}, {"findings": [{"name": "health", "meaning": "it does not answer"}]}],
)
def test_a_host_is_left_alone_only_if_everything_is_right(changes):
    assert release().is_live(seen(release()))
    assert not release().is_live(seen(release(), **changes))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"release": None}, "it is new on this host"),
        ({"release": "other", "manifest": None}, "other release"),
        ({"findings": [{"meaning": "it does not answer"}, {"meaning": "its slice is another"}]}, "it does not answer"),
    ],
)
def test_why_an_app_is_released_is_known(changes, why):
    assert release().why(seen(release(), **changes)).startswith(why)
    assert release(secrets={"KEY": "new"}).why(seen(release())) == "other secrets"


JOBS = {
    "workers": [{"name": "mail", "command": "mail"}],
    "timers": [{"name": "a", "command": "a", "schedule": "daily"}],
}
REASONS = {
    "packages": ({"requirements": []}, "packages"),
    "a new variable": ({"env": {"A": "it's", "B": "new\nline"}}, "env (B)"),
    "a variable that changed or went": ({"env": {"A": "2"}}, "env (A)"),
    "a secret": ({"secrets": {"KEY": "new"}}, "secrets"),
    "nginx alone": ({"conf": "server { }"}, "nginx.conf"),
    "another name": ({"server_names": ["shop.test"], "conf": "server { }"}, "nginx.conf"),
    "its settings": ({"ini": "[uwsgi] 2"}, "uwsgi.ini"),
    "workers": ({"workers": [{**JOBS["workers"][0], "processes": 2}]}, "workers"),
    "no timers": ({"timers": []}, "timers"),
    "how it is asked": ({"health": {"path": "/up"}}, "health"),
    "several": (
        {"module": "hello:other", "limits": {"log": "2G"}, "secrets": {}},
        "module, limits, env (FLASK_APP), secrets",
    ),
}


@pytest.mark.parametrize(("changes", "parts"), REASONS.values(), ids=REASONS)
def test_what_a_release_has_otherwise_is_named_in_the_inventorys_words(changes, parts):
    entry = {"env": {"A": "it's"}, "secrets": {"KEY": "old"}, **JOBS}
    assert release(**{**entry, **changes}).why(seen(release(**entry))) == f"other {parts}"


def test_code_is_named_once_whatever_else_has_its_digest(tmp_path):
    (tmp_path / "hello.py").write_text("app = 1\n")
    source = {"path": str(tmp_path)}
    ini = lambda: f"chdir = {release(source=source).stage.code}"  # noqa: E731
    live = seen(release(source=source, ini=ini()))
    (tmp_path / "hello.py").write_text("app = 2\n")
    assert release(source=source, ini=ini()).why(live) == "other code"


def test_a_diff_shows_what_changes_and_no_secret():
    before, after = release(), release(env={"A": "1"}, secrets={"KEY": "s3cret"})
    (part,) = after.diff(seen(before))
    assert part["before"] == "export FLASK_APP='hello:app'\n"
    assert part["after"] == "export FLASK_APP='hello:app'\nexport A='1'\n"
    assert "s3cret" not in str(after.diff(seen(before)))
    assert "s3cret" not in str(after.manifest)


def test_a_src_folder_can_be_imported_from(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/shop.py").write_text("app = 1\n")
    assert release(source={"path": str(tmp_path)}).stage.pythonpath == ["", "src"]
    assert release().stage.pythonpath == [""]


def test_an_app_is_asked_and_reported_under_the_name_and_scheme_it_is_served_with():
    names = {"server_names": [".shop.test", "www.shop.test", "shop.test"]}
    assert (release(**names).host, release(**names).scheme) == ("www.shop.test", "http")
    over_tls = release(**names, canonical_host="shop.test", tls={"mode": "self_signed"})
    assert over_tls.manifest["health"]["host"] == "shop.test"
    assert over_tls.manifest["health"]["scheme"] == "https"
    staged = {"shop": {"activation": f"{over_tls.identity}.1"}}
    unseen = {"shop": {"release": None, "activation": None, "renamed_from": None}}
    (app,) = plans.of_releases(0, [over_tls], unseen, staged, {})["apps"]
    assert plans.report(app, {"began": 0}, "web1").endswith("s, https://shop.test/")
