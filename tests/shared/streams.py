"""Keep event streams and websockets of an app open, as browsers do: streams.py NAME EVENTS SOCKETS. Runs on the host; ends at SIGTERM and prints JSON.

Each comes back when it ends, after the time that the stream has stated, or up to a second. A websocket sends a number every half a second
and expects it back. Clients are 100 to an address, for nginx counts what one address has open.
"""

import asyncio
import json
import os
import random
import re
import signal
import struct
import sys

NAME, EVENTS, SOCKETS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
KEY = "dGhlIHNhbXBsZSBub25jZQ=="

seen = {"open": 0, "events": [], "lost": 0, "wrong": [], "codes": [], "statuses": [], "again": 0, "retries": 0}
over = asyncio.Event()


async def connect(index, path, *headers):
    """Ask for a path from the client's address; returns reader, writer and status once the headers are there."""
    address = f"127.1.{index // 100}.{index % 100 + 1}"
    reader, writer = await asyncio.open_connection("127.0.0.1", 80, local_addr=(address, 0))
    asked = [f"GET {path} HTTP/1.1", f"Host: {NAME}", *headers, "", ""]
    writer.write("\r\n".join(asked).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    return reader, writer, int(head.split()[1])


async def chunks(reader):
    """The parts of an answer in chunks."""
    while size := int((await reader.readuntil(b"\r\n")).strip() or b"0", 16):
        yield (await reader.readexactly(size + 2))[:-2].decode()


async def events(index, got):
    """An event stream, until it ends; returns the seconds after which to come back."""
    last = [f"Last-Event-ID: {got[-1][0]}"] if got else []
    reader, writer, status = await connect(index, "/events", *last)
    wait, text = 1, ""
    try:
        if status != 200:
            seen["statuses"].append(status)
            return wait
        seen["open"] += 1
        async for part in chunks(reader):
            text += part
            while "\n\n" in text:
                event, _, text = text.partition("\n\n")
                if found := re.match(r"id: (\d+)\ndata: (.*)", event):
                    got.append((int(found[1]), found[2]))
                if found := re.match(r"retry: (\d+)", event):
                    seen["retries"] += 1
                    wait = int(found[1]) / 1000
        return wait
    finally:
        seen["open"] -= status == 200
        writer.close()


async def sockets(index, number):
    """A websocket, until it ends; ``number`` is a list of the last number that was sent and came back."""
    headers = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
    reader, writer, status = await connect(index, "/socket", *headers)
    try:
        if status != 101:
            seen["statuses"].append(status)
            return
        seen["open"] += 1
        while True:
            text = str(number[0] + 1).encode()
            writer.write(struct.pack("!BBI", 0x81, 0x80 | len(text), 0) + text)  # masked with zeros
            while True:
                kind, length = struct.unpack("!BB", await reader.readexactly(2))
                data = await reader.readexactly(length)
                if kind == 0x88:
                    seen["codes"].append(struct.unpack("!H", data)[0])
                    writer.write(struct.pack("!BBI", 0x88, 0x82, 0) + data)
                    return
                if kind == 0x89:
                    writer.write(struct.pack("!BBI", 0x8A, 0x80 | length, 0) + data)
                if kind == 0x81:
                    break
            if data != text:
                seen["wrong"].append([text.decode(), data.decode()])
            number[0] += 1
            await asyncio.sleep(0.5)
    finally:
        seen["open"] -= status == 101
        writer.close()


async def client(index, kind, state):
    """A client that comes back until the end."""
    while not over.is_set():
        wait = None
        try:
            wait = await kind(index, state)
        except (OSError, EOFError) as error:
            seen["wrong"].append(repr(error))
        seen["again"] += not over.is_set()
        await asyncio.sleep(wait or random.random())


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: print(json.dumps(seen["open"]), flush=True))
    streams = [[] for _ in range(EVENTS)]
    tasks = [asyncio.create_task(client(index, events, got)) for index, got in enumerate(streams)]
    tasks += [asyncio.create_task(client(EVENTS + index, sockets, [0])) for index in range(SOCKETS)]
    print(os.getpid(), flush=True)
    await over.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    seen["events"] = [[text for _, text in got] for got in streams]
    print(json.dumps(seen))


asyncio.run(main())
