"""Calls that go on without their caller are few: of one owner, and of all."""

import asyncio

from broker.upstream.idempotent_alone import Alone


class Call:
    def __init__(self, owner: str) -> None:
        self.owner = owner

    def cut(self, reason: BaseException | None) -> "asyncio.Task[None] | None": ...


def test_there_is_room_for_a_share_of_each_and_for_no_more_than_all() -> None:
    alone = Alone(8)
    calls = [Call(owner) for owner in "aabbccd"]
    for call in calls:
        assert alone.room_for(call.owner)
        alone.add(call)
    assert not alone.room_for("a")
    assert alone.room_for("d")
    alone.add(Call("e"))
    assert not alone.room_for("d")
    for _ in range(2):
        alone.discard(calls[0])
    assert len(alone) == 7
    assert alone.room_for("a")
    alone.add(calls[0])
    assert not alone.room_for("a")
