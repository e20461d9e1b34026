#!/bin/bash
# What Ansible's own tools say of the collection as its tarball has it, for that is what users get: galaxy-importer, antsibull-docs, ansible-test sanity.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD/.ansible/published
top=$root/ansible_collections/emperor/flask
rm -rf "$root/ansible_collections" "$root"/*.tar.gz
mkdir -p "$top" "$root/home/.ansible/test/cache"
ansible-galaxy collection build --output-path "$root" >/dev/null
tar -xzf "$root"/emperor-flask-*.tar.gz -C "$top"
git init --quiet "$top" # ansible-test would take it for ignored files of the checkout

# ansible-lint and ansible-test are run below and over the checkout, with its settings.
printf '[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nRUN_ANSIBLE_LINT = False\nCHECK_REQUIRED_TAGS = True\n' >"$root/importer.cfg"
(cd "$root" && GALAXY_IMPORTER_CONFIG=$root/importer.cfg python -m galaxy_importer.main "$root"/emperor-flask-*.tar.gz 2>&1 | tee "$root/importer.log")
grep -q "Importer processing completed successfully" "$root/importer.log"
antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck "$top"

# ansible-test puts pip into its virtual environments with a program that it fetches. This one has Python's own pip fetch that version instead.
export HOME=$root/home
internals=$(python -c 'import ansible_test, os; print(os.path.dirname(ansible_test.__file__))')/_internal/python_requirements.py
version=$(sed -n "s/^ *pip='\([0-9.]*\)',$/\1/p" "$internals" | head -n 1)
cat >"$HOME/.ansible/test/cache/get_pip_${version//./_}.py" <<'END'
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
subprocess.run([sys.executable, "-m", "pip", "install", *wanted], check=True)
END
cd "$top"
exec ansible-test sanity --color yes --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
