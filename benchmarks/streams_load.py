"""Keep event streams and websockets of a site open, as browsers do, and measure beside them: SITE USER EVENTS SOCKETS.

Runs as root on a host, beside request_load.py. Takes commands on standard input, one a line, and answers each with a line of JSON. Times are in
milliseconds; memory is the PSS of all that USER runs, in MiB. A stream that ends comes back after the time that it has stated, or as browsers
and the example's page do. Clients are 100 to an address, for nginx counts what one address has open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import pwd
import random
import re
import statistics
import struct
import sys
import time

import request_load

EVERY = 5  # seconds between two messages across a release
RATE = 50  # ordinary requests a second
BROWSERS = 3  # seconds after which a browser comes back to an event stream that has not said when
PATIENCE = 180  # seconds until all streams must be open
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")


def percentile(values: list[float], part: int) -> float:
    """The value that so many hundredths do not exceed."""
    return sorted(values)[max(0, -(-len(values) * part // 100) - 1)]


class Client:
    """A browser's page: one event stream or one websocket, opened again whenever it ends."""

    def __init__(self, load: Load, index: int) -> None:
        self.load, self.address = load, f"127.1.{index // 100}.{index % 100 + 1}"
        self.is_open, self.lost_at = False, None
        self.got: list[str] = []  # the messages
        self.last, self.wait = "", 0.0  # the last event's id; seconds until it comes back

    async def run(self, kind) -> None:
        """Open it, again and again."""
        while True:
            with contextlib.suppress(OSError, EOFError):
                await kind(self)
            if self.is_open:
                self.is_open, self.lost_at = False, time.monotonic()
            await asyncio.sleep(self.wait)

    def opened(self) -> None:
        """It is open, for the first time or again."""
        self.is_open = True
        if self.lost_at:
            self.load.away.append(1000 * (time.monotonic() - self.lost_at))

    async def events(self) -> None:
        """An event stream, until it ends."""
        self.wait = BROWSERS
        after = (f"Last-Event-ID: {self.last}",) if self.last else ()
        async with self.load.asked(self.address, "GET /events", *after) as (status, reader, _):
            if status != 200:
                self.wait = 0.5 + 2.5 * random.random()
                return
            text = ""
            while size := int((await reader.readuntil(b"\r\n")).strip() or b"0", 16):
                text += (await reader.readexactly(size + 2))[:-2].decode()
                while "\n\n" in text:
                    event, _, text = text.partition("\n\n")
                    self.event(dict(re.findall(r"^(\w+): (.*)$", event, re.MULTILINE)))

    def event(self, event: dict[str, str]) -> None:
        """An event has come."""
        self.last = event.get("id", self.last)
        if "id" in event and not self.is_open:
            self.opened()
        if "data" in event:
            self.got.append(event["data"])
            self.load.delays.append(1000 * (time.monotonic() - float(event["data"])))
        if "retry" in event:
            self.wait = int(event["retry"]) / 1000

    async def socket(self) -> None:
        """A websocket, until it ends: once its first message has come back it waits."""
        self.wait = 0.5 + 2.5 * random.random()
        async with self.load.asked(self.address, "GET /socket", *WEBSOCKET) as (status, reader, writer):
            if status != 101:
                return
            writer.write(struct.pack("!BBI", 0x81, 0x80 | 5, 0) + b"hello")  # masked with zeros
            while True:
                kind, length = struct.unpack("!BB", await reader.readexactly(2))
                data = await reader.readexactly(length)
                if kind == 0x81:
                    self.opened()
                else:  # a ping's pong, or what ends it
                    writer.write(struct.pack("!BBI", 0x8A if kind == 0x89 else kind, 0x80 | length, 0) + data)
                if kind == 0x88:
                    return


class Load:
    """All clients, and the ordinary requests beside them."""

    def __init__(self, site: str, user: str, events: int, sockets: int) -> None:
        self.site, self.user = site, pwd.getpwnam(user).pw_uid
        self.events = [Client(self, index) for index in range(events)]
        self.clients = self.events + [Client(self, events + index) for index in range(sockets)]
        self.delays: list[float] = []  # of messages
        self.away: list[float] = []  # how long each stream that had ended was not there
        self.told: list[str] = []
        self.over = asyncio.Event()  # a release that is watched
        self.kept: list[asyncio.Task] = []

    @contextlib.asynccontextmanager
    async def asked(self, address: str, what: str, *headers: str, body: str = ""):
        """Ask for something from an address; yields the status, and reader and writer behind the headers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", 80, local_addr=(address, 0))
        try:
            asked = [f"{what} HTTP/1.1", f"Host: {self.site}", f"Content-Length: {len(body)}", *headers, "", body]
            writer.write("\r\n".join(asked).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            yield int(head.split()[1]), reader, writer
        finally:
            writer.close()

    def keep(self, work) -> asyncio.Task:
        """Let something run beside the rest."""
        self.kept.append(asyncio.create_task(work))
        return self.kept[-1]

    async def ordinary(self, seconds: float) -> dict[str, float]:
        """Ask for the page at a steady rate, whether answers come or not."""
        took, failed = [], 0

        async def one(index: int) -> None:
            nonlocal failed
            begin = time.monotonic()
            with contextlib.suppress(OSError, EOFError):
                async with self.asked(f"127.2.0.{index % 100 + 1}", "GET /", "Connection: close") as (
                    status,
                    reader,
                    _,
                ):
                    await reader.read()
                    if status == 200:
                        took.append(1000 * (time.monotonic() - begin))
                        return
            failed += 1

        begin, tasks = time.monotonic(), []
        while len(tasks) < RATE * seconds and not self.over.is_set():
            await asyncio.sleep(max(0, begin + len(tasks) / RATE - time.monotonic()))
            tasks.append(asyncio.create_task(one(len(tasks))))
        await asyncio.gather(*tasks)
        return {"requests": len(tasks), "failed": failed, "p99": percentile(took, 99)}

    async def open(self) -> dict[str, float]:
        """Open all streams, fifty at a time."""
        begin = time.monotonic()
        for index, client in enumerate(self.clients):
            self.keep(client.run(Client.events if index < len(self.events) else Client.socket))
            if index % 50 == 49:
                await asyncio.sleep(0.1)
        await self.until(lambda: all(client.is_open for client in self.clients))
        return {"seconds": time.monotonic() - begin}

    async def until(self, condition) -> None:
        """Return once it holds."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                sys.exit(f"{sum(client.is_open for client in self.clients)} of {len(self.clients)} streams are open")
            await asyncio.sleep(0.05)

    async def tell(self, count: int) -> dict[str, float]:
        """Post messages, one a second; how long each took to each stream."""
        self.delays = []
        for _ in range(count):
            await self.post()
            await asyncio.sleep(1)
        await self.until(lambda: all(client.got == self.told for client in self.events))
        return {"median": statistics.median(self.delays), "p99": percentile(self.delays, 99)}

    async def post(self) -> None:
        """Post a message: the time. What is not acknowledged is posted again."""
        self.told.append(repr(time.monotonic()))
        while True:
            with contextlib.suppress(OSError, EOFError):
                async with self.asked("127.2.1.1", "POST /", body=self.told[-1]) as (status, _, _):
                    if status == 200:
                        return
            await asyncio.sleep(0.1)

    async def across(self) -> None:
        """Ask and post until ``back``: a release begins."""

        async def post() -> None:
            while not self.over.is_set():
                await self.post()
                await asyncio.sleep(EVERY)

        self.away = []
        self.asking, self.posting = self.keep(self.ordinary(3600)), self.keep(post())

    async def back(self) -> dict[str, float]:
        """What a release did to streams, messages and requests, once every stream has been opened again."""
        await self.until(lambda: len(self.away) >= len(self.clients) and all(client.is_open for client in self.clients))
        self.over.set()
        seen = await self.asking
        await self.posting
        await asyncio.sleep(2)  # for the last message
        lost = sum(len(set(self.told) - set(client.got)) for client in self.events)
        doubled = sum(len(client.got) - len(set(client.got)) for client in self.events)
        return {
            **seen,
            "median": statistics.median(self.away),
            "slowest": max(self.away),
            "lost": lost,
            "doubled": doubled,
        }

    async def memory(self) -> dict[str, float]:
        """What the server takes."""
        return {"mib": request_load.memory(self.user)}


async def main() -> None:
    """Do as told until standard input ends."""
    site, user, *numbers = sys.argv[1:]
    load = Load(site, user, *map(int, numbers))
    request_load.answer(site, "/")
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while command := (await reader.readline()).split():
        name, *arguments = command
        print(json.dumps(await getattr(load, name.decode())(*map(int, arguments))), flush=True)


asyncio.run(main())
