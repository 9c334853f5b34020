"""What those who watch over a target are told of a call that came to nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from broker.core.errors import BrokerError
from broker.upstream.answer import Stale
from broker.upstream.outcome import outcome


class Watch:
    def __init__(self) -> None:
        self.told: list[str] = []

    def success(self) -> None:
        self.told.append("success")

    def failure(self) -> None:
        self.told.append("failure")

    def ignored(self) -> None:
        self.told.append("ignored")


def told(error: BaseException, reason: BaseException | None = None, *, pending: bool = False) -> list[str]:
    watch = Watch()
    original = SimpleNamespace(body_pending=pending)
    exchange: Any = SimpleNamespace(cut_by=reason, original=original, body_pending=False)
    with pytest.raises(type(error)), outcome(watch, exchange):
        raise error
    return watch.told


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (Stale(), "ignored"),
        (BrokerError("upstream_protocol_error"), "failure"),
        (BrokerError("upstream_timeout"), "failure"),
        (BrokerError("bad_request"), "ignored"),
        (BrokerError("overloaded"), "ignored"),
    ],
)
def test_only_what_the_target_did_is_its_failure(error: Exception, what: str) -> None:
    assert told(error) == [what]


def test_a_call_that_was_cut_off_blames_the_target_only_for_its_deadline_and_not_for_a_slow_caller() -> None:
    late = BrokerError("upstream_timeout")
    assert told(asyncio.CancelledError(), late) == ["failure"]
    assert told(asyncio.CancelledError(), late, pending=True) == ["ignored"]
    assert told(asyncio.CancelledError(), BrokerError("drain_timeout")) == ["ignored"]
    assert told(asyncio.CancelledError()) == ["ignored"]
