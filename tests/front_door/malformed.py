"""Send requests that no honest client sends, and tell what came back: malformed.py SEED COUNT NAME. Runs on the host; prints JSON.

Each request has a connection of its own, plain or over TLS. What comes back is read to its end, or for as long as a server may
take to close. Reports every status, how often; every status from 500; and every answer that holds what nobody may have.
"""

import collections
import json
import random
import re
import socket
import ssl
import sys

SEED, COUNT, NAME = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
FORBIDDEN = (b"NOT-FOR-THE-PUBLIC", b"SMUGGLED", b"root:x:0:0", b"PRIVATE KEY")
PATIENCE = 3  # seconds without a byte after which a connection counts as left open
ANY = ssl._create_unverified_context()
chance = random.Random(SEED)


def noise(length):
    return bytes(chance.randrange(256) for _ in range(length))


def number(*choices):
    return str(chance.choice(choices)).encode()


def request(target=b"/", *headers, method=b"GET", version=b"HTTP/1.1", body=b"", host=NAME):
    lines = [b"%b %b %b" % (method, target, version), b"Host: " + host, b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def header_injection():
    poison = chance.choice(
        [
            b"%0d%0aX-Evil:%20yes",
            b"%0aX-Evil: yes",
            b"\rX-Evil: yes",
            b"%E5%98%8A%E5%98%8DX-Evil:yes",
            b"\x00X-Evil: yes",
        ]
    )
    return chance.choice(
        [
            request(b"/" + poison),
            request(b"/static/" + poison),
            request(b"/", b"X-Forwarded-Host: a" + poison),
            request(b"/", host=NAME + poison),
            request(b"/", b"X-Request-ID: a" + poison),
            request(b"/", b'Referer: "},' + poison + b'{"'),
        ]
    )


def smuggling():
    inner = b"GET /smuggled HTTP/1.1\r\nHost: " + NAME + b"\r\n\r\n"
    body = b"0\r\n\r\n" + inner
    length = b"Content-Length: %d"
    encodings = [
        b"chunked",
        b"xchunked",
        b" chunked",
        b"chunked, identity",
        b"\x0bchunked",
        b"CHUNKED",
        b"identity, chunked",
    ]
    te = b"Transfer-Encoding: " + chance.choice(encodings)
    return chance.choice(
        [
            request(b"/", length % len(body), te, method=b"POST", body=body),
            request(b"/", te, length % 4, method=b"POST", body=body),
            request(b"/", length % 4, length % len(body), method=b"POST", body=body),
            request(b"/", te, b"Transfer-Encoding: identity", method=b"POST", body=body),
            request(b"/", b"Transfer-Encoding : chunked", length % len(body), method=b"POST", body=body),
            request(b"/", b"Transfer-Encoding:\n chunked", length % len(body), method=b"POST", body=body),
            request(b"/", b"Content-Length: +%d" % len(body), method=b"POST", body=body),
            request(b"/", b"Content-Length: -1", method=b"POST", body=inner),
            request(b"/", b"Content-Length: 0x10", method=b"POST", body=inner),
            request(b"/", te, method=b"POST", body=b"%x;a=b\r\n" % chance.choice([0, 5, 2**64, 2**31]) + inner),
            request(b"/", te, method=b"POST", body=b"-1\r\n" + inner),
        ]
    )


def absurd_lengths():
    size = chance.choice([8_000, 9_000, 33_000, 100_000, 300_000])
    return chance.choice(
        [
            request(b"/" + b"a" * size),
            request(b"/?" + b"a=1&" * (size // 4)),
            request(b"/", b"X-Long: " + b"b" * size),
            request(b"/", *[b"X-%d: c" % index for index in range(size // 50)]),
            request(b"/", b"Cookie: " + b"d=1; " * (size // 5)),
            request(b"/", host=b"e" * size),
            request(b"/", b"Content-Length: " + number(2**31, 2**63, 2**64, 10**30), method=b"POST", body=b"x"),
            request(b"/", method=b"M" * size),
            request(b"/", b"Range: bytes=" + b",".join(b"%d-%d" % (index, index) for index in range(1000))),
            request(b"/static/style.css", b"Range: bytes=" + b",".join(b"0-" for _ in range(1000))),
        ]
    )


def traversal():
    up = chance.choice(
        [
            b"../",
            b"..%2f",
            b"%2e%2e/",
            b"%2e%2e%2f",
            b"..%5c",
            b"..;/",
            b"%252e%252e%252f",
            b"..%c0%af",
            b"....//",
            b".%00./",
            b"..\\",
        ]
    )
    target = chance.choice(
        [b"gallery.py", b"private/secret.txt", b"etc/passwd", b"etc/nginx/certificates/gallery/combined.pem"]
    )
    start = chance.choice(
        [
            b"/static/",
            b"/static",
            b"/static/deep/",
            b"/static//",
            b"/",
            b"/emperor_pages/",
            b"/.well-known/acme-challenge/",
        ]
    )
    return request(start + up * chance.randrange(1, 9) + target)


def null_bytes():
    return chance.choice(
        [
            request(b"/static/style.css%00.py"),
            request(b"/static/style.css\x00.py"),
            request(b"/%00"),
            request(b"/", b"X-Null: a\x00b"),
            request(b"/", b"X-\x00Null: a"),
            request(b"/", host=NAME + b"\x00"),
            request(b"/", host=b"\x00"),
            request(b"/\x00/../static/"),
        ]
    )


def nonsense():
    return chance.choice(
        [
            noise(chance.randrange(1, 400)),
            noise(20) + b"\r\n\r\n",
            request(b"/" + noise(30)),
            request(b"/", noise(60).replace(b"\n", b"")),
            request(
                b"/",
                version=number("HTTP/9.9", "HTTP/0.9", "HTTP/1.", "HTTPS/1.1", "http/1.1", "HTTP/1.1 HTTP/1.1").strip(),
            ),
            request(
                number(
                    "*",
                    "//",
                    "http://",
                    "http://[::1",
                    "https://evil.test/x",
                    "?",
                    "#",
                    "/%",
                    "/%zz",
                    "/%u0041",
                    "/\u202e",
                )
            ),
            request(b"/", method=number("CONNECT", "TRACE", "PRI", "get", "G\tET", "PROPFIND", "", "\u00e9")),
            request(
                b"/", host=number("a b", "", "[::", "-", "..", "a,b", "evil.test:99999", "user@" + NAME.decode(), "*")
            ),
            request(b"/", b"Host: other.test"),
            b"GET /\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise(60),
            request(b"/", b"Expect: " + number("100-continue", "nonsense"), b"Content-Length: 5", method=b"POST"),
            request(b"/", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAAA"),
            request(b"/", b"Accept-Encoding: " + b"gzip;q=" * 50),
            request(b"/", b"If-Modified-Since: " + noise(40).replace(b"\n", b"").replace(b"\r", b"")),
        ]
    )


KINDS = (header_injection, smuggling, absurd_lengths, traversal, null_bytes, nonsense)


def send(payload, tls):
    """Everything that comes back, and whether the server left the connection open without a word."""
    got = b""
    with socket.create_connection(("127.0.0.1", 443 if tls else 80), timeout=PATIENCE) as connection:
        channel = ANY.wrap_socket(connection, server_hostname=NAME.decode()) if tls else connection
        try:
            channel.sendall(payload)
            while part := channel.recv(65536):
                got += part
        except TimeoutError:
            return got, True
        except OSError:
            pass  # it has closed while we still sent, as it should
    return got, False


def main():
    statuses, wrong, silent = collections.Counter(), [], 0
    for index in range(COUNT):
        kind = KINDS[index % len(KINDS)]
        payload, tls = kind(), chance.random() < 0.3
        got, waits = send(payload, tls)
        silent += waits
        found = re.findall(rb"^HTTP/1\.[01] (\d{3})", got, re.MULTILINE)
        statuses.update(status.decode() for status in found or [b"none"])
        bad = [status for status in found if status >= b"500" and status not in (b"501", b"505")]
        bad += [secret for secret in FORBIDDEN if secret in got]
        bad += [b"X-Evil"] if re.search(rb"^X-Evil:", got, re.MULTILINE) else []
        if bad:
            wrong.append({"kind": kind.__name__, "sent": repr(payload[:400]), "got": repr(got[:400]), "why": repr(bad)})
    print(json.dumps({"statuses": statuses, "wrong": wrong, "silent": silent}))


main()
