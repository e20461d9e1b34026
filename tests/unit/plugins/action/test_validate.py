"""The action emperor.flask.validate in a real play; what it refuses here, it refuses before it asks the host anything."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from certificates import leaf

ROOT = Path(__file__).parents[4]
APP = {"name": "shop", "module": "hello:app", "source": {"path": str(ROOT / "examples/demoapp")}}
PLAY = {"hosts": "localhost", "gather_facts": False, "tasks": [{"emperor.flask.validate": {}}]}


def validate(tmp_path, strategy="linear", **variables):
    """The output of a play that validates these variables, without Ansible's line breaks."""
    (tmp_path / "play.yml").write_text(json.dumps([{**PLAY, "strategy": strategy}]))
    (tmp_path / "variables.yml").write_text(json.dumps(variables))
    argv = [
        "ansible-playbook",
        "-i",
        "localhost,",
        "-c",
        "local",
        str(tmp_path / "play.yml"),
        "-e",
        f"@{tmp_path}/variables.yml",
    ]
    return run(argv)


def run(argv):
    """A command's exit status and output, without Ansible's line breaks."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "1000"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def play(tmp_path, playbook, group, *arguments):
    """The output of one of our playbooks, with this machine in a group, without Ansible's line breaks."""
    inventory = tmp_path / "inventory.json"
    host = {"ansible_connection": "local", "ansible_become": False, "flask_apps": [APP]}
    inventory.write_text(json.dumps({group: {"hosts": {"here": host}}}))
    argv = ["ansible-playbook", "-i", str(inventory), str(ROOT / f"playbooks/{playbook}.yml"), *arguments]
    return run(argv)


@pytest.mark.parametrize(
    ("arguments", "role", "fetched"),
    [
        ([], None, True),
        ([], "flask_app", True),
        (["--tags", "flask_app"], None, True),
        ([], "nginx", False),
        (["--tags", "nginx"], None, False),
        (["--skip-tags", "flask_app"], None, False),
    ],
)
def test_a_source_is_fetched_only_where_apps_are_released(tmp_path, arguments, role, fetched):
    """A repository that is out of reach must not stop nginx."""
    task = {"emperor.flask.validate": {"role": role} if role else {}, "tags": ["always"]}
    (tmp_path / "play.yml").write_text(json.dumps([{**PLAY, "tasks": [task]}]))
    gone = {**APP, "source": {"git": str(tmp_path / "gone.git")}}
    (tmp_path / "variables.yml").write_text(json.dumps({"flask_apps": [gone]}))
    argv = ["ansible-playbook", "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml"), *arguments]
    _status, output = run([*argv, "-e", f"@{tmp_path}/variables.yml"])
    assert ("gone.git" in output) is fetched


def test_every_mistake_is_reported_at_once(tmp_path):
    status, output = validate(
        tmp_path, flask_apps=[APP, {**APP, "thread": 1}], nginx_greeting="perhaps", nginx_signing_keys=["2FF4C2A5"]
    )
    assert status != 0
    assert "app 'shop': unknown key 'thread': did you mean 'threads'?" in output
    assert "nginx_greeting is 'perhaps'; write true or false" in output
    assert "nginx_signing_keys has '2FF4C2A5', which is not a fingerprint; write its 40 hexadecimal digits" in output


def test_the_greeting_page_and_an_app_cannot_both_be_the_default_server(tmp_path):
    status, output = validate(tmp_path, flask_apps=[APP], nginx_greeting=True)
    assert status != 0
    assert "app 'shop': server_names is empty" in output
    assert "set nginx_greeting to false" in output


def test_a_strategy_under_which_hosts_do_not_wait_for_each_other_is_refused(tmp_path):
    assert "strategy is 'free', under which one host would serve" in validate(tmp_path, strategy="free")[1]
    assert "say strategy: linear" in validate(tmp_path, strategy="ansible.builtin.host_pinned")[1]


def test_two_apps_of_one_name_are_refused(tmp_path):
    assert "name 'shop' is used by 2 apps" in validate(tmp_path, flask_apps=[APP, APP])[1]


def test_a_variable_that_is_not_defined_is_named_with_its_app(tmp_path):
    apps = [{**APP, "secrets": {"KEY": "{{ vault_shop_key }}"}}]
    assert "app 'shop': secrets.KEY: 'vault_shop_key' is undefined" in validate(tmp_path, flask_apps=apps)[1]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("flask_app_default", "flask_app_defaults"), ("flask_app", "flask_apps"), ("nginx_orgin", "nginx_origin")],
)
def test_a_variable_that_nearly_is_one_of_ours_is_refused(tmp_path, name, meant):
    status, output = validate(tmp_path, flask_apps=[APP], **{name: {}})
    assert status != 0
    assert (
        f"'{name}' is not a variable of emperor.flask.{meant.partition('_')[0].replace('flask', 'flask_app')}; did you mean '{meant}'?"
        in output
    )


@pytest.mark.parametrize(
    ("playbook", "given", "meant"),
    [
        ("deploy", "ap=shop", "app"),
        ("deploy", "verson=v1", "version"),
        ("rollback", "relese=ab", "release"),
        ("maintenance", "stat=on", "state"),
    ],
)
def test_a_misspelt_variable_of_the_command_line_is_refused(tmp_path, playbook, given, meant):
    status, output = play(tmp_path, playbook, "flask_servers", "-e", given)
    assert status != 0
    assert f"-e {given.partition('=')[0]}=... is nothing that this playbook takes; did you mean {meant}?" in output


@pytest.mark.parametrize(
    ("task", "role"),
    [
        ("Configure nginx, test the whole configuration, reload", "nginx"),
        ("Provide the certificates of the sites", "flask_app"),
    ],
)
def test_a_run_that_starts_in_the_middle_is_refused_with_the_way_to_do_it(tmp_path, task, role):
    status, output = play(tmp_path, "site", "flask_servers", "--start-at-task", task)
    assert status != 0
    assert f"which --start-at-task leaves out; use --tags {role} instead" in output


@pytest.mark.parametrize("playbook", ["site", "deploy", "rollback", "maintenance"])
def test_an_inventory_without_our_group_is_an_error(tmp_path, playbook):
    status, output = play(tmp_path, playbook, "webservers")
    assert status != 0
    assert "has no host in the group flask_servers" in output and "Its groups are webservers." in output


def test_a_template_of_the_users_that_is_not_there_is_named_with_its_variable(tmp_path):
    status, output = validate(tmp_path, nginx_config_template="own/nginx.conf.j2", uwsgi_emperor_unit_template="/own")
    assert status != 0
    assert "nginx_config_template: there is no file" in output
    assert "own/nginx.conf.j2; a relative path starts from the inventory's folder" in output
    assert "uwsgi_emperor_unit_template: there is no file /own;" in output


def test_a_certificate_and_a_proxy_that_cannot_work_are_refused_before_any_host_is_asked(tmp_path):
    right, other = leaf(["shop.test"]), leaf(["shop.test"])
    (tmp_path / "shop.pem").write_text(right.certificate)
    (tmp_path / "shop.key").write_text(other.key)
    tls = {"mode": "files", "certificate": str(tmp_path / "shop.pem"), "key": str(tmp_path / "shop.key")}
    shop = {**APP, "server_names": ["shop.test"], "tls": tls}
    status, output = validate(tmp_path, flask_apps=[shop], nginx_trusted_proxies=["proxy.example.com"])
    assert status != 0
    assert f"app 'shop': tls.key: {tmp_path}/shop.key is not the key of tls.certificate {tmp_path}/shop.pem" in output
    assert "nginx_trusted_proxies has 'proxy.example.com', which is not an address" in output
    assert other.key.splitlines()[1] not in output


def test_variables_of_a_fleet_are_checked_on_servers_too(tmp_path):
    status, said = validate(tmp_path, flask_apps=[APP], fleet_min_healthy="some", fleet_min_helthy=2)
    assert status != 0 and "fleet_min_healthy is 'some'; write a whole number" in said
    assert (
        "'fleet_min_helthy' is not a variable of emperor.flask.load_balancer; did you mean 'fleet_min_healthy'?" in said
    )
