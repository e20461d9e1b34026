"""The action emperor.flask.validate in a real play; what it refuses here, it refuses before it asks the host anything."""

import json
import os
import subprocess
from pathlib import Path

from certificates import leaf

ROOT = Path(__file__).parents[2]
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
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "1000"}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_every_mistake_is_reported_at_once(tmp_path):
    status, output = validate(
        tmp_path, flask_apps=[APP, {**APP, "thread": 1}], nginx_greeting="perhaps", nginx_signing_keys=["2FF4C2A5"]
    )
    assert status != 0
    assert "app 'shop': unknown key 'thread': did you mean 'threads'?" in output
    assert "nginx_greeting is 'perhaps'; write true or false" in output
    assert "nginx_signing_keys has '2FF4C2A5', which is no fingerprint; write its 40 hexadecimal digits" in output


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
    assert "app 'shop': 'vault_shop_key' is undefined" in validate(tmp_path, flask_apps=apps)[1]


def test_a_variable_that_nearly_is_one_of_ours_is_warned_about(tmp_path):
    output = validate(tmp_path, flask_app_default={}, flask_apps=[APP, APP])[1]
    assert "'flask_app_default' is no variable of emperor.flask.flask_app; did you mean 'flask_app_defaults'?" in output


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
    assert "nginx_trusted_proxies has 'proxy.example.com', which is no address" in output
    assert other.key.splitlines()[1] not in output
