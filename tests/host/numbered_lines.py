"""Ask the app echo for numbered log lines through nginx, from several clients at once, for so many seconds.

Prints the first number of each answered request. Runs on the host: python3 numbered_lines.py SECONDS LINES
"""

import http.client
import itertools
import sys
import threading
import time

CLIENTS = 6
seconds, lines = float(sys.argv[1]), int(sys.argv[2])
end, numbers, answered = time.monotonic() + seconds, itertools.count(), []


def client():
    """Ask until the time is over; a request that fails, as during a restart, is not counted."""
    while time.monotonic() < end:
        first = next(numbers) * lines
        try:
            connection = http.client.HTTPConnection("127.0.0.1", timeout=30)
            connection.request("GET", f"/log/{first}/{lines}", headers={"Host": "echo.test"})
            if connection.getresponse().read() == b"logged":
                answered.append(first)
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)


threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*answered)
