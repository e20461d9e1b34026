"""Whole nginx configurations as the roles render them, and the nginx programs that can test them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.emperor.flask.plugins.module_utils.nginx import balanced
from certificates import leaf
from render import render

APP = {
    "name": "shop",
    "server_names": ["shop.test", "www.shop.test"],
    "harakiri": 60,
    "streams": 0,
    "client_max_body_size": "75m",
    "canonical_host": "",
    "static": {},
    "rate_limit": {"requests": 0, "burst": 20},
    "connection_limit": 0,
    "security_headers": {"X-Frame-Options": "SAMEORIGIN"},
}
TLS = {"mode": "none", "redirect": True, "hsts": 0}
EVERYTHING = {
    "static": {"/static": "s", "/admin/static": "a"},
    "rate_limit": {"requests": 10, "burst": 20},
    "connection_limit": 5,
    "security_headers": {"X-Frame-Options": "DENY", "Permissions-Policy": 'geolocation=(self "https://maps.test")'},
}
# Names that a careless template would make one variable of, and the longest.
LOOK_ALIKES = ("a-b", "a_b", "a-_b", "a_-b", "l" + "_" * 31)
EXTRA = "location = /robots.txt {\n  return 204;\n}\n"

# The distribution whose package has that nginx. Only images that are there already are used.
IMAGES = {
    "1.18": "ubuntu-22.04",
    "1.22": "debian-12",
    "1.24": "ubuntu-24.04",
    "1.26": "debian-13",
    "1.28": "ubuntu-26.04",
    "1.30": "debian-testing",
}


def site(
    host: dict[str, Any],
    template: str = "nginx.conf.j2",
    tls: dict[str, Any] | None = None,
    http3: bool = False,
    proxied: bool = False,
    **changes: Any,
) -> str:
    """The site of one app, from the role's template or another."""
    app = {**APP, "nginx_extra": "", "tls": {**TLS, **(tls or {})}, **changes}
    socket = f"/var/www/{app['name']}/{app['name']}_uwsgi.sock"
    asked = {"nginx_http3": http3, "nginx_proxy_protocol": proxied}
    return render("flask_app", template, app=app, host=host, socket=socket, **asked)


def configuration(
    host: dict[str, Any], *, version: str = "1.18", greeting: bool = False, tls: bool = False, **role: Any
) -> dict[str, str]:
    """Every file, by its path on the host: the nginx role's, an app with names, and one on the default server or the greeting.

    With ``tls`` there is another app that is served over it, with whatever an app can ask for, and the certificates.
    """
    proxied = role.get("nginx_proxy_protocol", False)
    variables = {
        **role,
        "__nginx_input": {"host": host, "tls": tls, "balancers": [], "fleet": []},
        "__nginx_package": {"version": f"{version}.0-1~distribution"},
        "nginx_greeting": greeting,
        "nginx_origin": "distribution",
    }
    files = {
        "/etc/nginx/nginx.conf": render("nginx", "nginx.conf.j2", **variables),
        "/etc/nginx/emperor_uwsgi_params": render("nginx", "emperor_uwsgi_params.j2", **variables),
        "/etc/nginx/emperor_limits": render("nginx", "emperor_limits.j2", **variables),
        "/etc/nginx/conf.d/00_default.conf": render("nginx", "00_default.conf.j2", **variables),
        "/etc/nginx/conf.d/shop.conf": site(host, nginx_extra=EXTRA, proxied=proxied, **EVERYTHING),
    }
    if not greeting:
        files["/etc/nginx/conf.d/000_front.conf"] = site(host, name="front", proxied=proxied, server_names=[])
        for name in LOOK_ALIKES:
            files[f"/etc/nginx/conf.d/{name}.conf"] = site(
                host, name=name, proxied=proxied, server_names=[f"{name}.test"], **EVERYTHING
            )
    if tls:
        names = ["bank.test", "*.bank.test"]
        wanted = {"mode": "acme", "hsts": 300}
        asked = {"http3": role.get("nginx_http3", False), "proxied": proxied}
        files["/etc/nginx/conf.d/bank.conf"] = site(
            host, tls=wanted, **asked, name="bank", server_names=names, canonical_host="bank.test"
        )
        chain = leaf(names)
        for name in ("bank", "default"):
            files[f"/etc/nginx/certificates/{name}/combined.pem"] = f"{chain.certificate}{chain.key}"
    return files


def balancer(
    host: dict[str, Any], *, version: str = "1.18", first: str = "", others: Sequence[str] = (), **role: Any
) -> dict[str, str]:
    """Every file of a balancer with an app of each kind, by its path on the host.

    ``first`` is where the balancer that orders certificates is, ``others`` are those that this one orders for.
    """
    files = configuration(host, version=version, greeting=False, tls=True, **role)
    kinds = {
        "bank": {"server_names": ["bank.test"], "tls": {**TLS, "mode": "acme", "hsts": 300}, **EVERYTHING},
        "front": {"server_names": []},
        "shop": {"server_names": ["shop.test"], "streams": True, "canonical_host": "shop.test"},
    }
    apps = [{**APP, "nginx_extra": "", "tls": TLS, **more, "name": name} for name, more in kinds.items()]
    servers = {"web1": balanced.TAKES, "web2": balanced.OUT}
    known = {"apps": apps, "servers": {name: list(servers) for name in kinds}, "host": host}
    known |= {"first": first, "others": others}
    text = render("load_balancer", "balancer.conf.j2", **role, **known, firsts_port=8402)
    nginx = {path: text for path, text in files.items() if "/conf.d/" not in path or "/00_default" in path}
    up = {f"/etc/nginx/emperor_servers/{name}.conf": f"server 10.0.0.1:80 {how};\n" for name, how in servers.items()}
    return {**nginx, **up, "/etc/nginx/conf.d/00_balancer.conf": text}


def directives(text: str) -> Iterator[str]:
    """The names of the directives in a configuration. The lines of a `map` or `geo` are no directives."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\"[^\"]*\"|'[^']*'", "quoted", text)
    text = re.sub(r"\b(map|geo) ([^{]*)\{[^}]*\}", r"\1 \2;", text)
    for statement in re.split(r"[;{}]", text):
        if words := statement.split():
            yield words[0]


def nginx_here() -> str | None:
    """The nginx of this machine."""
    return shutil.which("nginx", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")


def image_with_nginx(version: str) -> str | None:
    """The image with that nginx, built from the test host's image; None where there is no engine or no such image."""
    base, image = f"emperor-test/{IMAGES[version]}", f"emperor-test/nginx-{version}"
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "image", "inspect", base], capture_output=True).returncode
    ):
        return None
    install = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx"
    dockerfile = f"FROM {base}\nRUN {install}\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", image, "-"],
        input=dockerfile,
        text=True,
        check=True,
        capture_output=True,
    )
    return image


def run_in_image(image: str, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `nginx -t` over the files, put where they belong."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    script = "tar -x -C / -f - && nginx -v && nginx -t"
    command = ["docker", "run", "--rm", "--interactive", "--network", "none", "--entrypoint", "sh", image, "-c", script]
    result = subprocess.run(command, input=archive.getvalue(), capture_output=True)
    return subprocess.CompletedProcess(command, result.returncode, stderr=result.stderr.decode())


def run_here(nginx: str, files: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run this machine's `nginx -t` over the files, put into a folder, touching nothing of the machine's own."""
    return subprocess.run([*put_here(nginx, files, folder), "-t"], capture_output=True, text=True)


def put_here(nginx: str, files: dict[str, str], folder: Path) -> list[str]:
    """Put the files into a folder; return the command of this machine's nginx that reads them there."""
    for path, text in files.items():
        target = folder / path.removeprefix("/etc/nginx/")
        target.parent.mkdir(parents=True, exist_ok=True)
        for own, other in (
            ("/etc/nginx/mime.types", "mime.types"),
            ("/etc/nginx", "."),
            ("/run", "."),
            ("/var/log/nginx", "."),
        ):
            text = text.replace(own, str(folder / other))
        target.write_text(text)
    shutil.copy("/etc/nginx/mime.types", folder)
    return [nginx, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
