"""What is said of a site that nginx refuses."""

import os
from pathlib import Path

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.nginx import site


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('unknown directive "servr_tokens" in its nginx.conf:70', "Correct nginx_extra, or what else changed."),
        ('unknown "emperor_static_expires" variable', "apply the role emperor.flask.nginx first (site.yml)"),
        ('zero size shared memory zone "emperor_clients"', "(nginx_config_template) must state that variable or zone"),
    ],
)
def test_the_remedy_fits_the_mistake(said, words):
    assert words in site.remedy(said)


def test_the_names_of_apps_that_a_run_leaves_alone_are_known(tmp_path):
    sites = Path(Layout("", str(tmp_path)).sites)
    for app, conf in {
        "old": "server {\n    server_name shop.test WWW.shop.test;\n}\nserver {\n    server_name a.test;\n}\n",
        "first": "server {\n    server_name _;\n}\n",
        "shop": "server {\n    server_name new.test;\n}\n",
    }.items():
        layout = Layout(app, str(tmp_path))
        os.makedirs(layout.home)
        Path(layout.nginx_conf).write_text(conf)
        os.makedirs(layout.sites, exist_ok=True)
        os.symlink(layout.nginx_conf, layout.site(app == "first"))
    (sites / "theirs.conf").write_text("server { server_name theirs.test; }")
    os.symlink("/nowhere/gone/gone_nginx.conf", sites / "gone.conf")
    names = {"shop.test": "old", "www.shop.test": "old", "a.test": "old", "_": "first"}
    assert site.names_of_others(["shop"], str(sites)) == names
