# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""The sleep of an app that is rarely asked (idle), as serve.py sees to it in each worker; docs/how-it-works.md tells it step by step."""

import os
import time

import emperor_log
import uwsgi

TICK = 1  # seconds between two looks
ORDER = 40  # the signal at which the master ends its workers and waits for a request, as uwsgi.ini says
TOGETHER = 10  # seconds until the workers that end for a sleep have all ended, or go on
AWAKE, ENDING, ORDERED = range(3)  # how far a vassal is on its way to sleep


class Sleep:
    """The sleep of a vassal that had no request for ``after`` seconds; 0, it stays awake.

    uWSGI's own (idle) kills one worker after the other while the rest take requests. Here each worker ends as for a release, and the one that
    takes its place waits before it imports the app. When all wait, no request can be lost, and the master is told to end them.
    """

    def __init__(self, after, state, vassal):
        """``state`` is the memory that the workers share."""
        self.after, self.state, self.vassal = after, state, vassal
        self.answered, self.since = None, 0

    def is_due(self, busy, now):
        """Tell a worker whether it is to end for the sleep; ``busy`` says that it has a request. One that has keeps all of them awake."""
        if not self.after:
            return False
        answered = uwsgi.total_requests()
        if busy or answered != self.answered:
            self.answered, self.since, self.state[0] = answered, now, AWAKE
        elif (
            now - self.since > self.after
            and not any(worker["status"] == b"busy" for worker in uwsgi.workers())
            and is_live()
        ):
            self.state[0] = ENDING
        return self.state[0] == ENDING

    def wait(self, worker):
        """Return when a new worker is to import the app: at once, but where its vassal goes to sleep."""
        if not self.after or not worker:
            return
        if self.state[0] == ORDERED:  # the master has slept: this worker is for the request that came
            self.state[0] = AWAKE
        self.state[worker] = self.state[0]
        deadline = time.monotonic() + TOGETHER
        while self.state[0] == ORDERED or (self.state[0] == ENDING and time.monotonic() < deadline):
            if self.vassal.is_to_go():
                os._exit(0)
            if worker == 1 and self.state[0] == ENDING and all(self.state[1:]):
                time.sleep(TICK)  # by then the master knows all that it has started
                if self.state[0] == ENDING:
                    emperor_log.say(2, f"no request for {self.after} s: the app sleeps until the next one")
                    self.state[0] = ORDERED
                    os.kill(uwsgi.masterpid(), ORDER)
            time.sleep(TICK / 10)
        self.state[0] = self.state[worker] = AWAKE


def is_live():
    """Tell whether requests come to this vassal, or it is still a candidate."""
    try:
        return os.readlink(uwsgi.opt["app-link"]) == uwsgi.opt["app-socket"]
    except OSError:
        return False
