"""What gixy finds in the configurations that the roles render: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from nginx_config import configuration

SETTINGS = Path(__file__).parents[3] / "gixy.cfg"

HOSTS = {
    "1.18": {"distribution": "Ubuntu", "version": "22.04", "ipv6": True, "open_files": 20000},
    "1.22": {"distribution": "Debian", "version": "12", "ipv6": True, "open_files": 20000},
    "1.30": {"distribution": "Debian", "version": "testing", "ipv6": False, "open_files": 20000},
}


def findings(nginx_conf: Path) -> list[str]:
    """The checks that find something."""
    argv = [str(Path(sys.executable).with_name("gixy")), "--config", str(SETTINGS), "--format", "json", str(nginx_conf)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [f"{one['plugin']}: {one['config']}" for one in json.loads(done.stdout)]


def write(folder: Path, files: dict[str, str]) -> Path:
    """Put the files of /etc/nginx into a folder; return the one that includes the others."""
    (folder / "mime.types").touch()
    for path, text in files.items():
        target = folder / path.removeprefix("/etc/nginx/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text.replace("/etc/nginx", str(folder)))
    return folder / "nginx.conf"


@pytest.mark.parametrize("version", HOSTS)
@pytest.mark.parametrize("greeting", [True, False], ids=["greeting", "app"])
def test_gixy_finds_nothing(tmp_path, version, greeting):
    files = configuration(
        HOSTS[version], version=version, greeting=greeting, tls=True, nginx_trusted_proxies=["10.0.0.0/8"]
    )
    assert findings(write(tmp_path, files)) == []


def test_gixy_finds_what_is_wrong(tmp_path):
    files, path = configuration(HOSTS["1.30"], version="1.30"), "/etc/nginx/conf.d/shop.conf"
    hole = "location /i { alias /data/images/; }\n"
    files[path] = files[path].replace("location = /robots.txt", f"{hole}location = /robots.txt")
    (finding,) = findings(write(tmp_path, files))
    assert finding.startswith("alias_traversal: ")
