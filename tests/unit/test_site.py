"""What is said of a site that nginx refuses."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils import site


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
