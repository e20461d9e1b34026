#!/bin/sh
# Make .venv (Ansible and the test tools) and .ansible/collections (this checkout as emperor.flask).
# Safe to run again: it does only what requirements-dev.txt or a missing folder asks for.
# PYTHON=/path/to/python chooses the interpreter; otherwise the first that is 3.11 or newer. The system's comes first: distributions compile
# theirs with profiles, which makes Ansible a sixth faster than a Python that was built without.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for candidate in ${PYTHON:-/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "setup: no Python 3.11 or newer among: ${PYTHON:-/usr/bin/python3, python3, python3.11 ... python3.14}; set PYTHON=/path/to/python" >&2
    return 1
}

# Debian and Ubuntu take ensurepip out of Python, and without it `python3 -m venv` cannot work.
need_ensurepip() {
    "$1" -c 'import ensurepip' 2>/dev/null && return
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    scripts/apt-install.sh "$package"
}

stamp=.venv/requirements.cksum
wanted=$(cksum < requirements-dev.txt)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    python=$(find_python)
    need_ensurepip "$python"
    echo "setup: making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv # another Python may have made what is there
    echo "setup: installing requirements-dev.txt"
    .venv/bin/python -m pip install -qq --disable-pip-version-check --requirement requirements-dev.txt
    # A run of Ansible is short: looking for garbage costs more than it frees before the end.
    packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo 'import gc; gc.set_threshold(100_000, 50, 100)' > "$packages/fewer_collections.pth"
    echo "$wanted" > "$stamp"
fi
echo "setup: .venv has $(.venv/bin/ansible --version | sed -n '1s/.*\[\(.*\)\]/\1/p')"

.venv/bin/python tests/install_collections.py
