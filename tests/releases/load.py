"""Keep an app busy through nginx and count what goes wrong: load.py NAME [https] [read] [RATE] [ADDRESS].

Asks the host that it runs on, or ADDRESS; ends at SIGTERM and prints JSON.

200 requests a second (or RATE) over 12 kept-alive connections, each twentieth (unless `read`) with a body that the app does not read, and 4 clients that
always have a request of 3 seconds in flight. A right answer has status 200 and begins with "shop ". An idle kept-alive connection that
the server closes is counted apart: nothing was answered on it, so the request is sent again on a new one, as browsers do. The longest
silence is that between two right answers to quick requests, or before the first or after the last: an app that does not come back is
silent to the end.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time

RATE = next((int(word) for word in sys.argv[2:] if word.isdigit()), 200)
CONNECTIONS, SLOW = 12, 4
BODY = bytes(200_000)  # more than the sockets between nginx and the app hold
SECONDS = 3  # that /slow takes
NAME = sys.argv[1]
ADDRESS = next((word for word in sys.argv[2:] if word.count(".") == 3), "127.0.0.1")
TLS = "https" in sys.argv[2:]
UNREAD = "read" not in sys.argv[2:]
ANY = ssl._create_unverified_context()  # a stand-in serves until a certificate is there

lock = threading.Lock()
over = threading.Event()
counted = {"requests": 0, "slow": 0, "closed_idle": 0, "failed": [], "versions": {}}
waited = []  # seconds that right answers to quick requests took
answers = [time.monotonic()]  # when quick requests were answered rightly, after the time of the beginning


class Connection(http.client.HTTPConnection):
    """To the host itself, over TLS with whatever certificate it has. Where an answer ends one, http.client begins the next like this."""

    def connect(self):
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if TLS:
            self.sock = ANY.wrap_socket(self.sock, server_hostname=NAME)


class Client:
    """One connection, kept alive."""

    def __init__(self, path):
        self.path, self.connection, self.used = path, None, False
        self.asked = 0

    def ask(self):
        began = time.monotonic()
        try:
            try:
                problem = self._once()
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, http.client.RemoteDisconnected):
                if not self.used:
                    raise
                with lock:
                    counted["closed_idle"] += 1
                self.connection, self.used = None, False
                problem = self._once()
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        if problem:
            self.connection, self.used = None, False
        self._count(problem, time.monotonic() - began)

    def _once(self):
        if self.connection is None:
            self.connection = Connection(ADDRESS, 443 if TLS else 80, timeout=20)
            self.connection.connect()
        self.asked += 1
        if UNREAD and self.path == "/" and self.asked % 20 == 0:
            self.connection.request("POST", "/unread", BODY, headers={"Host": NAME})
        else:
            self.connection.request("GET", self.path, headers={"Host": NAME})
        answer = self.connection.getresponse()
        body = answer.read().decode(errors="replace")
        self.used = True
        if answer.status != 200 or not body.startswith("shop "):
            return f"{answer.status}: {body[:80]}"
        with lock:
            counted["versions"][body] = counted["versions"].get(body, 0) + 1
        return None

    def _count(self, problem, took):
        now = time.monotonic()
        with lock:
            counted["slow" if self.path == "/slow" else "requests"] += 1
            if self.path != "/slow" and not problem:
                answers.append(now)
                waited.append(took)
            if problem:
                counted["failed"].append(f"{time.strftime('%H:%M:%S')} {self.path}: {problem}")


def paced(index):
    client, pause = Client("/"), CONNECTIONS / RATE
    due = time.monotonic() + index / RATE
    while not over.is_set():
        time.sleep(max(due - time.monotonic(), 0))
        client.ask()
        due = max(due + pause, time.monotonic() - 1)


def always():
    client = Client("/slow")
    while not over.is_set():
        due = time.monotonic() + SECONDS
        client.ask()
        over.wait(max(due - time.monotonic(), 0))  # an app that fails at once is not asked more often


signal.signal(signal.SIGTERM, lambda *_: over.set())
threads = [threading.Thread(target=paced, args=(index,)) for index in range(CONNECTIONS)]
threads += [threading.Thread(target=always) for _ in range(SLOW)]
for thread in threads:
    thread.start()
print(os.getpid(), flush=True)
while not over.is_set():
    over.wait(1)
answers.append(time.monotonic())
for thread in threads:
    thread.join()
answers.sort()
counted["longest_silence"] = round(max(b - a for a, b in zip(answers, answers[1:])), 3)
counted["p99"] = sorted(waited)[len(waited) * 99 // 100] if waited else None
print(json.dumps(counted))
