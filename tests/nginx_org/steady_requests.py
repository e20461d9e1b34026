"""Ask the app echo through nginx, each request on a connection of its own, until told to stop; prints how often which answer came.

Small ones and, every tenth, one with a body that nginx writes to a file first. Runs on the host.
"""

import collections
import http.client
import json
import os
import time

ENOUGH = "/run/enough-requests"
BODY = b"x" * 100_000
answers, number = collections.Counter(), 0
while not os.path.exists(ENOUGH):
    number += 1
    try:
        connection = http.client.HTTPConnection("127.0.0.1", timeout=20)
        method, body = ("POST", BODY) if number % 10 == 0 else ("GET", None)
        connection.request(method, "/", body, headers={"Host": "echo.test"})
        response = connection.getresponse()
        response.read()
        answers[str(response.status)] += 1
    except (OSError, http.client.HTTPException) as error:
        answers[type(error).__name__] += 1
    time.sleep(0.01)
os.unlink(ENOUGH)
print(json.dumps(answers))
