"""What a worker's check_command decides."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.background import workers
from ansible_collections.emperor.flask.plugins.module_utils.background.definitions import Worker
from ansible_collections.emperor.flask.plugins.module_utils.background.unit_texts import Start
from ansible_collections.emperor.flask.plugins.module_utils.host import box, jobs
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import CommandFailed, Refusal
from ansible_collections.emperor.flask.plugins.module_utils.host.layout import Layout
from ansible_collections.emperor.flask.plugins.module_utils.vassal.activations import Activation

MANIFEST = {"code": "c0de", "venv": "1ib", "pythonpath": [], "limits": box.LIMITS}
START = Start(Layout("my-shop"), Activation("0123456789ab", 3), MANIFEST)
MAIL = Worker("mail", "mail", 2, "TERM", 60, 0, True, "mail --ping $EMPEROR_WORKER")
UNIT = "emperor-worker-my\\x2dshop-mail-0123456789ab.3-2.service"


def test_a_check_command_is_asked_again_until_it_succeeds_in_the_box_with_the_workers_name(monkeypatch):
    asked = []

    def run_job(job, argv):
        asked.append((job, argv))
        if len(asked) == 1:
            raise CommandFailed(argv, 69, "no answer")

    monkeypatch.setattr(jobs, "run_job", run_job)
    monkeypatch.setattr(workers.time, "sleep", lambda seconds: None)
    workers._ask(START, UNIT, MAIL)
    assert len(asked) == 2
    job, argv = asked[-1]
    assert (job.app, job.user, job.unit) == ("my-shop", "my-shop", UNIT.replace("worker", "check", 1)[:-8])
    assert "Environment=EMPEROR_WORKER=mail-0123456789ab.3-2" in job.settings
    assert argv[-3:] == ["/bin/sh", "-c", "mail --ping $EMPEROR_WORKER"]


def test_one_that_never_succeeds_is_named_with_what_it_said(monkeypatch):
    def run_job(job, argv):
        raise CommandFailed(argv, 69, "no answer from the broker\n")

    monkeypatch.setattr(jobs, "run_job", run_job)
    monkeypatch.setattr(workers, "CHECKED", 0)
    with pytest.raises(
        Refusal, match="the worker 'mail' is not ready within 0 seconds: its check_command 'mail --ping"
    ) as refusal:
        workers._ask(START, UNIT, MAIL)
    assert "ended with 69" in str(refusal.value) and "no answer from the broker" in str(refusal.value)
