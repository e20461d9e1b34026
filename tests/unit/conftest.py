"""Lets tests import the checkout as emperor.flask, through Ansible's own loader (the link comes from `make setup`)."""

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

init_plugin_loader([str(Path(__file__).parents[2] / ".ansible/collections")])

settings.register_profile("noisy machines", deadline=None)
settings.load_profile("noisy machines")
