"""One at a time changes a host: processes, and the threads of one that releases apps side by side."""

import threading
import time

from ansible_collections.emperor.flask.plugins.module_utils.host import host_lock as module


def test_threads_of_a_process_wait_for_each_other_and_one_that_holds_the_lock_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATH", str(tmp_path / "state/host.lock"))
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    inside, most = [], []

    def change():
        for _ in range(3):
            with module.host_lock(), module.host_lock():
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.01)
                inside.pop()

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 12 and max(most) == 1
