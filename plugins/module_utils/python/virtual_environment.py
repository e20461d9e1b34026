# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a virtual environment is made: with the pip of uWSGI's tree for the same Python, where the host has one.

venv would unpack and compile another, which takes far longer than to copy one.
"""

from __future__ import annotations

# Run by the interpreter that the environment is for. What is copied is pip and, up to Python 3.11, setuptools, as venv installs them.
PROGRAM = """
import glob, os, shutil, sys, venv
path, trees = sys.argv[1:]
python = "python%d.%d" % sys.version_info[:2]
packages = os.path.join("lib", python, "site-packages")
made = [
    tree
    for tree in sorted(glob.glob(os.path.join(trees, "pyuwsgi-*-" + python)))
    if all(os.path.exists(os.path.join(tree, name)) for name in (".complete", packages + "/pip/__main__.py"))
]
venv.create(path, symlinks=True, with_pip=not made)
if made:
    ours = shutil.ignore_patterns("*uwsgi*")
    shutil.copytree(os.path.join(made[-1], packages), os.path.join(path, packages), ignore=ours, dirs_exist_ok=True)
    for name in os.listdir(os.path.join(made[-1], "bin")):
        if name.startswith("pip"):
            program = os.path.join(path, "bin", name)
            with open(program, "w") as stream:
                stream.write('#!/bin/sh\\nexec "${0%/*}/python" -m pip "$@"\\n')
            os.chmod(program, 0o755)
"""


def make(python: str, path: str, trees: str) -> list[str]:
    """Return the command that makes a virtual environment for ``python``; ``trees`` is the folder of uWSGI's trees."""
    return [python, "-I", "-c", PROGRAM, path, trees]
