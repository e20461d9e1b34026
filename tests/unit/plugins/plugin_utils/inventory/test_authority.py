"""The authority an inventory names: what is refused, what an order holds, and what is written for certbot's renewals."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory import authority
from ansible_collections.emperor.flask.plugins.plugin_utils.inventory.inventory import Inventory
from certificates import leaf
from render import render

LETSENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"


def inventory(folder=Path("/inventory"), **variables):
    """An inventory in a folder."""
    variables = {"inventory_dir": str(folder), "flask_apps": [], **variables}
    loader = DataLoader()
    action = SimpleNamespace(_templar=Templar(loader=loader, variables=variables), _loader=loader)
    return Inventory(action, variables)


def test_without_a_word_it_is_lets_encrypt():
    assert list(authority.mistakes(inventory())) == []
    assert authority.order(inventory()) == {"directory": LETSENCRYPT, "email": ""}


def test_another_authority_is_named_by_its_directory(tmp_path):
    (tmp_path / "ca.crt").write_text(leaf(["acme.test"]).certificate)
    given = inventory(
        tmp_path,
        nginx_acme_directory="https://acme.test:14000/dir",
        nginx_acme_email="ops@shop.test",
        nginx_acme_ca="ca.crt",
    )
    assert list(authority.mistakes(given)) == []
    assert authority.order(given) == {"directory": "https://acme.test:14000/dir", "email": "ops@shop.test"}
    assert authority.ca(given) == (tmp_path / "ca.crt").read_text()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        (
            {"nginx_acme_directory": "acme.test/dir"},
            "nginx_acme_directory 'acme.test/dir' is not an https URL; write that of the authority's ACME directory",
        ),
        (
            {"nginx_acme_directory": "http://acme.test/dir"},
            "nginx_acme_directory 'http://acme.test/dir' is not an https URL",
        ),
        ({"nginx_acme_email": "ops"}, "nginx_acme_email 'ops' is not an address; write one, such as ops@example.com"),
        (
            {"nginx_acme_ca": "none.crt"},
            "nginx_acme_ca: there is no file {folder}/none.crt; a relative path starts from",
        ),
        ({"nginx_acme_ca": "text.crt"}, "nginx_acme_ca: {folder}/text.crt holds no certificate in PEM"),
    ],
)
def test_what_names_no_authority_is_refused(tmp_path, variables, sentence):
    (tmp_path / "text.crt").write_text("no certificate")
    (mistake,) = authority.mistakes(inventory(tmp_path, **variables))
    assert sentence.format(folder=tmp_path) in mistake


def test_it_is_wanted_where_an_app_orders_of_it():
    def app(mode, **more):
        return {"name": mode, "tls": {"mode": mode}, **more}

    assert authority.is_wanted(inventory(flask_apps=[app("none"), app("acme")]))
    assert not authority.is_wanted(inventory(flask_apps=[app("none"), app("self_signed"), app("acme", state="absent")]))


def test_what_is_written_holds_the_private_ca_only_where_there_is_one(tmp_path):
    given = inventory(tmp_path)
    templates = Path(__file__).parents[5] / "roles/flask_app/templates"
    loader = DataLoader()
    action = SimpleNamespace(
        _templar=Templar(loader=loader, variables={}), _find_needle=lambda _folder, name: str(templates / name)
    )
    drop_in, program = authority.files(action, given)
    assert drop_in["path"] == "/etc/systemd/system/certbot.service.d/emperor-flask.conf"
    assert "acme-ca.crt" not in drop_in["content"]
    assert program["mode"] == "0755"
    (tmp_path / "ca.crt").write_text(leaf(["acme.test"]).certificate)
    drop_in, program, ca = authority.files(action, inventory(tmp_path, nginx_acme_ca="ca.crt"))
    assert f"{ca['path']} >/tmp/acme-ca.crt" in drop_in["content"]
    assert ca["content"] == (tmp_path / "ca.crt").read_text()


def test_balancers_that_order_nothing_fetch_what_the_first_one_renews(tmp_path):
    hosts = {"lb1": {"fleet_address": "10.0.0.2"}, "lb2": {"fleet_address": "10.0.0.3"}}
    known = {"groups": {"load_balancers": list(hosts), "flask_servers": []}, "hostvars": hosts}
    other = authority.files(SimpleNamespace(), inventory(tmp_path, inventory_hostname="lb2", **known))
    written = {Path(file["path"]).name: file for file in other}
    assert set(written) == {
        "take-certificates",
        "share-certificates",
        "emperor-certificates.service",
        "emperor-certificates.timer",
        "first-balancer",
    }
    assert written["first-balancer"]["content"] == "http://10.0.0.2:8402/certificates/lb2.cms\n"
    assert (
        f"ExecStart={written['share-certificates']['path']} fetch\n"
        in written["emperor-certificates.service"]["content"]
    )


def test_certbots_service_gives_nginx_what_it_got_whatever_failed():
    """ExecStopPost= runs after a failed ExecStart= too (systemd.service(5)), and its own failure fails the unit."""
    text = render("flask_app", "certbot.conf.j2", acme_ca=False)
    assert "ExecStopPost=/usr/local/lib/emperor-flask/take-certificates\n" in text
    assert "ExecStart=" not in text, "the distribution's own command stays"
