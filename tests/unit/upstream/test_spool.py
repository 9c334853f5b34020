"""A body that is held back is held whole, within its limits, and counted for as long as it is there."""

from typing import Any

import pytest

from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.policy.held_bodies import HeldBodies
from broker.upstream import spool
from broker.upstream.manner import HoldLimits
from broker.upstream.spool import hold, whole_body


class Still:
    def pause_body(self) -> None: ...

    def resume_body(self) -> None: ...


async def test_what_comes_while_the_disk_is_written_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Body(Still())

    async def in_thread(_: Any, work: Any, *given: Any) -> None:
        work(*given)
        if not body.complete:
            body.feed(b"b" * 10)
            body.finish()

    monkeypatch.setattr(spool._Collector, "_in_thread", in_thread)
    body.feed(b"a" * 100)
    held = await hold(body, HoldLimits(50, 1000))
    assert held._file is not None
    held._file.seek(0)
    assert (held.size, held._file.read()) == (110, b"a" * 100 + b"b" * 10)
    held.close()


async def test_a_body_that_is_as_large_as_it_may_be_is_held() -> None:
    held = await hold(whole_body([b"a" * 50]), HoldLimits(50, 50))
    assert held.memory == b"a" * 50
    with pytest.raises(BrokerError, match="body_too_large"):
        await hold(whole_body([b"a" * 51]), HoldLimits(50, 50))


async def test_a_file_that_is_read_still_counts_until_its_reader_is_done() -> None:
    budget = HeldBodies()
    held = await hold(whole_body([b"a" * 100]), HoldLimits(10, 1000, budget))
    body = held.body()
    held.close()
    assert budget.used == 100
    body.abandon()
    assert budget.used == 0
