# Copyright (c) emperor.flask maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel knows of UNIX sockets that somebody listens on: the connections that wait, and those that are in hand (sock_diag(7)).

A socket is known by its file. Whoever makes a socket chooses the text of its path, and what ss(8) prints of it could stand for another's.
The role uwsgi_emperor installs this file on the hosts too, for flask-app: it imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections import Counter
from collections.abc import Iterable, Iterator

NETLINK_SOCK_DIAG, BY_FAMILY = 4, 20  # linux/netlink.h, linux/sock_diag.h
REQUEST, DUMP = 0x1, 0x300
ERROR, DONE = 2, 3
MESSAGE = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
ASKED = struct.Struct("=BBHIIIII")  # unix_diag_req: family, protocol, padding, states, inode, what to show, cookie
FOUND = struct.Struct("=BBBBIII")  # unix_diag_msg: family, type, state, padding, inode, cookie
ATTRIBUTE, PAIR = struct.Struct("=HH"), struct.Struct("=II")
SHOW_VFS, SHOW_RQLEN = 0x02, 0x10
VFS, RQLEN = 1, 4  # attributes: inode and device of the socket's file, lengths of its queues
ESTABLISHED, LISTEN = 1, 10
WAIT = 5  # seconds for the kernel's answer

Key = tuple[int, int]  # inode and device of a file, as the kernel has them: 32 bits each


def in_hand(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """By path, how many connections wait to be accepted, and how many are accepted and still open.

    A path that is no socket, that nobody listens on, or that a link stands at has no entry. Raises OSError where the kernel has no such diagnostics.
    """
    keys = {path: key for path in paths if (key := _key(path))}
    waiting: dict[Key, int] = {}
    accepted: Counter[Key] = Counter()
    for state, attributes in _sockets(1 << ESTABLISHED | 1 << LISTEN):
        if VFS not in attributes:
            continue
        key = PAIR.unpack(attributes[VFS])
        if state == LISTEN:
            waiting[key] = PAIR.unpack(attributes[RQLEN])[0]
        else:  # an accepted connection has its listener's file; one that waits is not listed, and the other end has none
            accepted[key] += 1
    return {path: (waiting[key], accepted[key]) for path, key in keys.items() if key in waiting}


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the socket at ``path`` itself; connect(2) takes it as /proc/self/fd/<number>. Raises OSError for anything else, a link too."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is not a socket")
        yield descriptor
    finally:
        os.close(descriptor)


def _key(path: str) -> Key | None:
    """A socket's file. stat(2) is not asked for its device: on btrfs and overlays it tells another than the kernel has."""
    with contextlib.ExitStack() as stack:
        try:
            descriptor = stack.enter_context(opened(path))
        except OSError:
            return None
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as stream:
            told = dict(line.split(":", 1) for line in stream.read().splitlines())
        inode = int(told.get("ino") or os.fstat(descriptor).st_ino)  # Linux 5.14 and later tell it there
        device = _device(told["mnt_id"].strip())
    return None if device is None else (inode & 0xFFFFFFFF, device)


def _device(mount: str) -> int | None:
    """The device of a mount, by its number."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        for line in stream:
            number, _parent, device = line.split()[:3]
            if number == mount:
                major, minor = map(int, device.split(":"))
                return major << 20 | minor
    return None


def _sockets(states: int) -> Iterator[tuple[int, dict[int, bytes]]]:
    """Every UNIX socket of this network namespace in one of these states: its state and attributes."""
    asked = ASKED.pack(socket.AF_UNIX, 0, 0, states, 0, SHOW_VFS | SHOW_RQLEN, 0xFFFFFFFF, 0xFFFFFFFF)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(WAIT)
        kernel.send(MESSAGE.pack(MESSAGE.size + len(asked), BY_FAMILY, REQUEST | DUMP, 1, 0) + asked)
        while True:
            answer = memoryview(kernel.recv(1 << 17))
            while answer:
                length, kind = MESSAGE.unpack_from(answer)[:2]
                if kind == DONE:
                    return
                if kind == ERROR:
                    number = -struct.unpack_from("=i", answer, MESSAGE.size)[0]
                    raise OSError(number, os.strerror(number))
                state = FOUND.unpack_from(answer, MESSAGE.size)[2]
                yield state, _attributes(answer[MESSAGE.size + FOUND.size : length])
                answer = answer[_aligned(length) :]


def _attributes(data: memoryview) -> dict[int, bytes]:
    found = {}
    while len(data) >= ATTRIBUTE.size:
        length, kind = ATTRIBUTE.unpack_from(data)
        found[kind] = bytes(data[ATTRIBUTE.size : length])
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
