"""What the collection's tarball takes along of a checkout in which somebody works: what is listed, whatever else lies there."""

import shutil
import subprocess
import tarfile

from render import ROOT

FOLDERS = (
    "changelogs",
    "docs",
    "examples",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests/sanity",
    "tests/config.yml",
)
MADE = {"FILES.json", "MANIFEST.json"}
STRAYS = (
    "my-apps.yml",
    "inventory/group_vars/all/vault.yml",
    "playbooks/vault.yml",
    "playbooks/group_vars/all.yml",
    "inventories/production/hosts.yml",
    "examples/shop/secret.env",
    "examples/live/instance/live.db",
    "roles/flask_app/vars/main.yml.orig",
    "plugins/modules/__pycache__/release.cpython-313.pyc",
    "notes.pem",
    ".env",
)


def test_it_takes_what_git_has_of_the_folders_that_users_need_and_nothing_that_lies_beside(tmp_path):
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    checkout = tmp_path / "checkout"
    for name in tracked:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
    for name in STRAYS:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("token: s3cret\n")
    subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", tmp_path], cwd=checkout, check=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as tar:
        packed = {member.name for member in tar if member.isfile()}
    alone = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md")
    wanted = {name for name in tracked if name in alone or name.startswith(FOLDERS)}
    assert packed - MADE == wanted
