"""Live pages: what is posted to / reaches every browser, by an event stream (/events); a websocket (/socket) sends back what it is told."""

import os
import threading
import time
from pathlib import Path

from flask import Flask, Response, request
from flask_sock import Sock

HEARTBEAT = float(os.environ.get("HEARTBEAT", "20"))  # seconds
MESSAGES = Path(__file__).with_name("instance") / "messages"  # instance is shared by the releases, and by all processes

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": HEARTBEAT}
sock = Sock(app)
MESSAGES.touch()
news, size = threading.Condition(), 0


def watch():
    """Wake the streams of this process when there are messages, whichever process has kept them."""
    global size
    while True:
        if (now := MESSAGES.stat().st_size) != size:
            with news:
                size = now
                news.notify_all()
        time.sleep(0.05)


threading.Thread(target=watch, daemon=True).start()


@app.post("/")
def post():
    """Keep a message; os.write appends it whole, whoever else writes."""
    kept = os.open(MESSAGES, os.O_WRONLY | os.O_APPEND)
    os.write(kept, request.get_data().replace(b"\n", b" ") + b"\n")
    os.close(kept)
    return "kept\n"


@app.get("/events")
def events():
    """An event for each message from where the browser left off, which it says when it comes back, or from now on.

    Where there is none for a while, a comment is the heartbeat: a client that has gone is noticed when something is sent to it, and
    nginx cuts what is silent for a minute.
    """
    position = int(request.headers.get("Last-Event-ID") or request.args.get("after") or MESSAGES.stat().st_size)

    def stream():
        with MESSAGES.open("rb") as messages:
            messages.seek(position)
            yield f"id: {position}\n\n"
            while True:
                with news:
                    grown = news.wait_for(lambda: size > messages.tell(), HEARTBEAT)
                if grown:
                    line = messages.readline().decode().rstrip()
                    yield f"id: {messages.tell()}\ndata: {line}\n\n"
                else:
                    yield ":\n\n"

    return Response(stream(), content_type="text/event-stream")


@sock.route("/socket")
def echo(ws):
    """Each message comes back."""
    while True:
        ws.send(ws.receive())


@app.get("/")
def page():
    """A browser comes back by itself to an event stream that has ended; to a websocket, and to a stream that was refused, where its page says so.

    Refused is one that finds no slot, or the app closed. Each comes back at a time of its own.
    """
    return """<!doctype html>
<title>live</title>
<ul id="said"></ul>
<script>
const say = text => document.getElementById("said").append(Object.assign(document.createElement("li"), {textContent: text}));
const again = connect => setTimeout(connect, 500 + 2500 * Math.random());
(function listen(last = "") {
  const events = new EventSource("/events?after=" + last);
  events.onmessage = event => { last = event.lastEventId; say(event.data); };
  events.onerror = () => events.readyState === EventSource.CLOSED && again(() => listen(last));
})();
(function connect() {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
  socket.onopen = () => socket.send("hello");
  socket.onmessage = event => say(event.data);
  socket.onclose = () => again(connect);
})();
</script>
"""
