"""TLS as Mozilla's intermediate profile has it, judged by sslyze; and a configuration that gixy has nothing against."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import AUTHORITY, CHECKOUT, FOLDER, HOSTS, address, each_host, on


def tool(name, *arguments):
    """Run a tool of the development environment."""
    argv = [str(Path(sys.executable).with_name(name)), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_sslyze_finds_mozillas_intermediate_profile(authority):
    servers = [f"shop.{host}.test:443{{{address(host)}}}" for host in HOSTS]
    trusting = ["--certinfo_ca_file", str(FOLDER / "authority.crt")]
    done = tool("sslyze", "--mozilla_config=intermediate", *trusting, *servers)
    assert done.stdout.count("OK - Compliant.") == len(HOSTS), done.stdout + done.stderr
    assert done.returncode == 0


@each_host
def test_gixy_finds_nothing(host, tmp_path):
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(on(host, "nginx -T 2>/dev/null"))
    done = tool("gixy", "--config", str(CHECKOUT / "tests/gixy.cfg"), "--format", "json", str(configuration))
    assert json.loads(done.stdout) == [], done.stdout


@pytest.fixture(scope="module")
def browser(authority):
    """A browser that trusts the authority, and what a page has become once its scripts have run."""
    store = "sql:/root/.pki/nssdb"
    on(
        AUTHORITY,
        "rm -rf /root/.pki; mkdir -p /root/.pki/nssdb && certutil -d sql:/root/.pki/nssdb -N --empty-password",
    )
    on(AUTHORITY, f"certutil -d {store} -A -n authority -t C,, -i {authority}")

    def browser(url, host, name):
        rules = f"--host-resolver-rules='MAP {name} {address(host)}'"
        options = f"--no-sandbox --disable-gpu --timeout=60000 {rules} --dump-dom"  # root has no sandbox
        return on(AUTHORITY, f"chromium-headless-shell {options} {url} 2>&1", check=False)

    return browser


@each_host
def test_a_browser_opens_the_site_over_tls(browser, host):
    assert "shop 1" in browser(f"https://shop.{host}.test/", host, f"shop.{host}.test")


def test_a_browser_follows_a_plain_address_to_tls(browser):
    host = HOSTS[0]
    assert "shop 1" in browser(f"http://www.shop.{host}.test/", host, f"*.{host}.test")


def test_a_browser_runs_a_pages_scripts_and_refuses_a_stand_in(browser):
    host = HOSTS[0]
    refused = browser("https://gallery.test/", host, "gallery.test")
    assert "gallery over" not in refused
    page = browser("https://gallery.test/ --ignore-certificate-errors", host, "gallery.test")
    assert "<title>gallery over https:</title>" in page
