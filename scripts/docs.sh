#!/bin/bash
# The documentation as a site, in .ansible/docs/html: docs/*.md, and every module and role as antsibull-docs renders it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.ansible/docs
rm -rf "$root/rst" "$root/html"
mkdir -p "$root/rst/pages" "$root/rst/collection"
chmod -R go-w "$root"
python3 -m venv "$root/venv"
"$root/venv/bin/pip" install --quiet --requirement .config/site/requirements.txt
cp docs/*.md "$root/rst/pages/"
cp .config/site/conf.py .config/site/index.rst "$root/rst/"
ANSIBLE_COLLECTIONS_PATH=$PWD/.ansible/collections antsibull-docs collection --use-current --squash-hierarchy --fail-on-error \
    --dest-dir "$root/rst/collection" emperor.flask
"$root/venv/bin/sphinx-build" --fail-on-warning --keep-going --quiet -b html "$root/rst" "$root/html"
echo "docs: $root/html/index.html"
