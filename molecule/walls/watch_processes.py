"""Write down every command line of this host that holds a credential, and the names of the programs that were seen."""

import time
from pathlib import Path

MARK = b"t0ken"
LEAKS, SEEN = Path("/root/leaks"), Path("/root/seen")
seen: set[bytes] = set()

LEAKS.touch()
while True:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes()
        except OSError:  # the process is gone
            continue
        if MARK in arguments:
            with LEAKS.open("ab") as leaks:
                leaks.write(arguments.replace(b"\0", b" ") + b"\n")
        words = b" ".join(part.rsplit(b"/", 1)[-1] for part in arguments.split(b"\0")[:4])
        if words not in seen:
            seen.add(words)
            with SEEN.open("ab") as names:
                names.write(words + b"\n")
    time.sleep(0.05)
