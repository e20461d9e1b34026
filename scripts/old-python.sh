#!/bin/sh
# The unit tests of what runs on hosts, with an old Python: old-python.sh [INTERPRETER], python3.9 unless it is named.
set -eu
cd "$(dirname "$0")/.."
python=${1:-python3.9}
root=.ansible/$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
"$python" -m venv "$root"
"$root/bin/pip" install --quiet --disable-pip-version-check 'ansible-core>=2.15,<2.18' hypothesis prometheus_client pytest
exec "$root/bin/python" -m pytest -q tests/unit/plugins/module_utils
