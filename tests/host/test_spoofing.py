"""What Flask believes about a request is what nginx says about it, whatever a client claims.

Asks the fixture app `echo` (tests/fixtures/echo, served for the host name echo.test), as it is and behind werkzeug's ProxyFix.
"""

import json
import shlex

import pytest

ADDRESS = "http://127.0.0.1"
CLAIMS = {
    "CF-Connecting-IP": "203.0.113.6",
    "Client-IP": "203.0.113.6",
    "Forwarded": "for=203.0.113.6;proto=https;host=evil.test",
    "Front-End-Https": "on",
    "Proxy": "http://evil.test:3128",
    "True-Client-IP": "203.0.113.6",
    "X-Client-IP": "203.0.113.6",
    "X-Forwarded-For": "203.0.113.6",
    "X-Forwarded-Host": "evil.test",
    "X-Forwarded-Port": "6666",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Protocol": "https",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Server": "evil.test",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-User": "evil",
    "X-Host": "evil.test",
    "X-Original-Host": "evil.test",
    "X-Original-URL": "/evil",
    "X-Real-IP": "203.0.113.6",
    "X-Request-ID": "evil",
    "X-Rewrite-URL": "/evil",
    "X-Scheme": "https",
    "X-Script-Name": "/evil",
    "X-Url-Scheme": "https",
}
VIEWS = {"plain": "/", "ProxyFix": "/proxied/"}
SPELLINGS = {"usual": str, "lower case": str.lower, "underscores": lambda name: name.replace("-", "_")}


@pytest.fixture
def ask(host):
    """Ask the app with curl, and return what it says about the request."""

    def ask(path="/", *options, host_header="echo.test"):
        arguments = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "10"]
        arguments += ["--header", f"Host: {host_header}", *options, ADDRESS + path]
        answer = host.run(shlex.join(arguments))
        assert answer.rc == 0, answer
        return json.loads(answer.stdout)

    return ask


def believed(answer):
    """What an app acts upon: where it is, who asks, and every header but the request's own number."""
    keys = ("url_root", "url", "base_path", "scheme", "is_secure", "host", "remote_addr", "access_route")
    headers = {name: value for name, value in answer["headers"].items() if name != "X-Request-Id"}
    environ = {name: value for name, value in answer["environ"].items() if name != "REMOTE_PORT"}
    return {**{key: answer[key] for key in keys}, "headers": headers, "environ": environ}


@pytest.mark.parametrize("path", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_no_header_of_a_client_changes_what_flask_believes(ask, path, spelling):
    honest = believed(ask(path))
    assert (honest["scheme"], honest["host"], honest["remote_addr"]) == ("http", "echo.test", "127.0.0.1")
    claims = [f"{spelling(name)}: {value}" for name, value in CLAIMS.items()]
    spoofed = ask(path, *(option for claim in claims for option in ("--header", claim)))
    assert believed(spoofed) == honest
    assert "evil" not in json.dumps(spoofed)


def test_a_repeated_header_makes_no_difference(ask):
    repeated = ["--header", "X-Forwarded-Proto: https", "--header", "X-Forwarded-Proto: https,http"]
    assert believed(ask("/proxied/", *repeated)) == believed(ask("/proxied/"))


def test_nginx_numbers_the_requests(ask):
    first, second = (ask()["headers"]["X-Request-Id"] for _ in range(2))
    assert len(first) == len(second) == 32
    assert first != second


@pytest.mark.parametrize("path", VIEWS.values(), ids=VIEWS)
def test_the_port_a_client_names_is_kept(ask, path):
    assert ask(path, host_header="ECHO.test:8080")["host"] == "echo.test:8080"


@pytest.mark.parametrize("path", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("target", ["echo.test", "echo.test:8080"])
def test_an_absolute_request_line_counts_and_its_host_header_does_not(ask, target, path):
    answer = ask(path, "--request-target", f"http://{target}{path}", host_header="evil.test:6666")
    assert answer["host"] == target
    assert "evil" not in json.dumps(answer)


def test_a_request_without_a_host_header_gets_the_host_of_its_request_line(ask):
    options = ["--http1.0", "--header", "Host:", "--request-target", "http://echo.test:8080/"]
    assert ask("/", *options)["host"] == "echo.test:8080"


def test_a_chunked_body_arrives(ask):
    answer = ask("/", "--header", "Transfer-Encoding: chunked", "--data", "a=1")
    assert (answer["body"], answer["environ"]["CONTENT_LENGTH"]) == ("a=1", "3")


def test_a_path_arrives_decoded_and_a_query_as_it_was(ask):
    answer = ask("/caf%C3%A9%20a%2Fb?x=%2F&y=%C3%A9")
    assert answer["environ"]["PATH_INFO"].encode("latin-1").decode() == "/café a/b"
    assert answer["environ"]["REQUEST_URI"] == "/caf%C3%A9%20a%2Fb?x=%2F&y=%C3%A9"
    assert answer["environ"]["QUERY_STRING"] == "x=%2F&y=%C3%A9"
    assert answer["url"].startswith("http://echo.test/caf")
