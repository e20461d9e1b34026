# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""Imported by every vassal: when its log was rotated, each worker opens it anew, between two of its requests."""

import os

import uwsgi

ROTATED = 250  # number of the uWSGI signal that touch-signal in uwsgi.ini raises


def reopen(_signal):
    """Put the log's new file in the place of the renamed one: dup2 leaves no moment without a file, so no line is lost."""
    log = os.open(uwsgi.opt["logto"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


uwsgi.register_signal(ROTATED, "workers", reopen)
