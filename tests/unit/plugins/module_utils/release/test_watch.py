"""Canaries: which answers take a release back."""

import pytest
from ansible_collections.emperor.flask.plugins.module_utils.host.commands import Refusal
from ansible_collections.emperor.flask.plugins.module_utils.release import watch


@pytest.fixture
def answered(monkeypatch):
    """Let the counts before the switch and at each look after it be these."""

    def set_counts(before, *after):
        looks, clock = list(after), [1000.0]

        class Following:
            def look(self):
                return {"shop": looks.pop(0) if len(looks) > 1 else looks[0]}

        monkeypatch.setattr(watch.answers, "by_app", lambda _since: {"shop": before})
        monkeypatch.setattr(watch.answers, "Following", Following)
        monkeypatch.setattr(watch.time, "time", lambda: clock[0])
        monkeypatch.setattr(watch.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    return set_counts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((100, 0), (100, 0)),
        ((100, 0), (100, 1)),  # one may be anybody's
        ((100, 0), (1000, 10)),
        ((100, 10), (100, 20)),  # as bad as it was
        ((0, 0), (0, 0)),
    ],
)
def test_a_release_that_answers_as_before_goes_on(answered, before, after):
    answered(before, after)
    assert watch.watch("shop", 2) == f"{after[0]} requests in 2 seconds, {after[1]} of them answered with 5xx"


@pytest.mark.parametrize(
    ("before", "after"), [((100, 0), (100, 2)), ((100, 10), (100, 21)), ((0, 0), (2, 2)), ((1000, 1), (1000, 11))]
)
def test_a_release_that_answers_worse_is_refused(answered, before, after):
    answered(before, after)
    with pytest.raises(Refusal, match=f"^{after[1]} of {after[0]} requests were answered with 5xx since the switch"):
        watch.watch("shop", 2)


def test_where_many_fail_nobody_waits_for_more(answered):
    answered((100, 0), (30, 21), (10**6, 21))
    with pytest.raises(Refusal, match="^21 of 30 requests"):
        watch.watch("shop", 60)


def test_a_few_that_fail_at_first_are_held_against_all_that_follow(answered):
    answered((100, 0), (10, 5), (10**6, 5))
    assert watch.watch("shop", 60).startswith("1000000 requests in 60 seconds, 5 of them")


def test_of_a_busy_log_as_much_is_compared_with_as_can_be_read(answered, monkeypatch):
    answered((100, 0), (100, 2))
    monkeypatch.setattr(watch.answers, "by_app", lambda since: {"shop": (100, 0)} if since == 997.0 else None)
    with pytest.raises(Refusal, match="0 of 100 in the 3 seconds before it"):
        watch.watch("shop", 2)
    monkeypatch.setattr(watch.answers, "by_app", lambda since: None)
    with pytest.raises(Refusal, match="0 of 0 in the 0 seconds before it"):
        watch.watch("shop", 2)
