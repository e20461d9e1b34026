#!/bin/sh
# mypy over plugins/, under the name that the collection has.
set -eu
cd "$(dirname "$0")/.."
config=$PWD/pyproject.toml
cd .ansible/collections
MYPYPATH=$PWD exec mypy --config-file "$config" --cache-dir ../mypy --package ansible_collections.emperor.flask.plugins
