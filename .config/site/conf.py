"""The documentation as a site: the pages of docs/, and what antsibull-docs makes of the modules and roles. `make docs` builds it."""

project = "emperor.flask"
copyright = "emperor.flask maintainers"  # noqa: A001 - Sphinx calls it so
title = html_short_title = "emperor.flask"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
pygments_style = "ansible"
default_role = "any"
# Ansible's own modules and options are documented elsewhere; the pages name files of the checkout.
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure", "ref.any", "ref.ref"]
