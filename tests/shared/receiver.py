"""A web server that keeps what it is sent, for tests of those who are told of releases."""

import contextlib
import http.server
import json
import threading


@contextlib.contextmanager
def receiver():
    """What it was sent, as (path, type, JSON), and its address; it answers with the status that a path names, 200 otherwise."""
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            self.send_response(int(self.path.strip("/") or 200))
            self.end_headers()

        def log_message(self, *_words):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield got, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
