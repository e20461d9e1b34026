#!/usr/bin/env python3
"""Put the collections the tests need where ansible finds them, without Galaxy.

Molecule's docker driver wants community.docker and ansible.posix. The `ansible`
package on PyPI carries both; this takes them, and this checkout as
emperor.flask, into .ansible/collections.
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SITE = ROOT / ".ansible/collections/ansible_collections"
WANTED = ("community/docker", "community/library_inventory_filtering_v1", "ansible/posix")


def main() -> None:
    own = SITE / "emperor/flask"
    own.parent.mkdir(parents=True, exist_ok=True)
    if not own.is_symlink():
        own.symlink_to("../../../..")
    if all((SITE / name).is_dir() for name in WANTED):
        return
    print("setup: fetching", ", ".join(name.replace("/", ".") for name in WANTED))
    with tempfile.TemporaryDirectory() as tmp:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--dest", tmp]
        subprocess.run([*pip, "ansible==12.3.0"], check=True)
        (wheel,) = pathlib.Path(tmp).glob("ansible-*.whl")
        prefixes = tuple(f"ansible_collections/{name}/" for name in WANTED)
        with zipfile.ZipFile(wheel) as archive:
            names = [n for n in archive.namelist() if n.startswith(prefixes)]
            archive.extractall(SITE.parent, names)


if __name__ == "__main__":
    main()
