"""What the log says of a store of shared limits, and how soon it is tried again."""

import logging

import pytest

from broker.policy.shared_bucket import StoreAway
from broker.policy.shared_presence import Presence

REASON = StoreAway("it has no memory left")
AWAY, BACK = "limits_store_away", "limits_store_back"


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [vars(record)["event"] for record in caplog.records]


def test_a_steady_store_that_fails_is_tried_again_at_once_and_then_every_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    presence = Presence("the store")
    presence.there(steady=False)
    presence.there(steady=True)
    assert [presence.gone(REASON) for _ in range(4)] == [0.1, 1.0, 1.0, 1.0]
    presence.there(steady=False)
    assert events(caplog) == [AWAY, BACK]
    assert [vars(caplog.records[0])[key] for key in ("store", "cause")] == ["the store", "it has no memory left"]


def test_a_store_that_does_not_stay_is_tried_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    presence, pauses = Presence("the store"), []
    for _ in range(20):
        presence.there(steady=False)
        pauses.append(presence.gone(REASON))
    assert pauses == [1.0, 2.0, 4.0, *[5.0] * 17]
    assert events(caplog) == [AWAY, BACK, AWAY, BACK, AWAY], "and then the log takes it for away"


def test_a_store_that_comes_and_goes_for_days_is_tried_on() -> None:
    presence = Presence("the store")
    for _ in range(5000):
        presence.there(steady=False)
        seconds = presence.gone(REASON)
    assert seconds == 5.0


def test_that_it_is_back_is_told_when_it_has_stayed(caplog: pytest.LogCaptureFixture) -> None:
    presence = Presence("the store")
    for _ in range(9):
        presence.there(steady=False)
        presence.gone(REASON)
    presence.there(steady=False)
    assert events(caplog)[-1] == AWAY
    presence.there(steady=True)
    presence.there(steady=True)
    assert events(caplog)[-2:] == [AWAY, BACK]
    assert presence.gone(REASON) == 0.1


def test_attempts_in_vain_do_not_count_as_times_that_it_was_there(caplog: pytest.LogCaptureFixture) -> None:
    presence = Presence("the store")
    assert {presence.gone(REASON) for _ in range(20)} == {1.0}
    presence.there(steady=False)
    assert presence.gone(REASON) == 1.0
    assert events(caplog) == [AWAY, BACK, AWAY]
