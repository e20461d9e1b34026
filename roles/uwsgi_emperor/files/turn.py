# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
"""Imported by every vassal's master, for serve.py: what the workers share.

``uwsgi.turn`` is a file: the worker that is to be replaced holds its lock. ``uwsgi.told_to_go`` is memory: the Emperor's message that the
vassal is to end or to begin anew runs a hook of uwsgi.ini, which sets its one byte. ``uwsgi.asleep`` is memory too: how far the vassal is on
its way to sleep, and a byte for each worker, set while that waits for the others.
"""

import mmap
import os

import uwsgi

uwsgi.turn = os.memfd_create("turn")
uwsgi.told_to_go = mmap.mmap(-1, 1)
uwsgi.asleep = mmap.mmap(-1, 1 + uwsgi.numproc)


def go():
    """The vassal is to go: its workers let their streams end."""
    uwsgi.told_to_go[0] = 1
    return "workers know"


uwsgi.register_rpc("go", go)
