"""Lets tests import the checkout as emperor.flask, through Ansible's own loader (the link comes from `make setup`)."""

from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

init_plugin_loader([str(Path(__file__).parents[2] / ".ansible/collections")])

settings.register_profile("noisy machines", deadline=None)
settings.load_profile("noisy machines")


@pytest.fixture(scope="session", autouse=True)
def _lock_of_this_run(tmp_path_factory):
    """The host's lock is another than that of the machine that tests run on."""
    from ansible_collections.emperor.flask.plugins.module_utils.host import host_lock

    host_lock.PATH = str(tmp_path_factory.mktemp("state") / "host.lock")
