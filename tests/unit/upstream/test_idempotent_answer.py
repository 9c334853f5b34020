"""Answers that are still coming take memory within bounds, and give it back when they turn out too large."""

from broker.core.body import Body
from broker.policy.idempotency import IdempotencySettings
from broker.upstream.idempotent_answer import Collected, Copied, Room
from broker.upstream.idempotent_call import IdempotencyKeys


class Source:
    paused = False

    def pause_body(self) -> None:
        self.paused = True

    def resume_body(self) -> None:
        self.paused = False


class Taker:
    whole: bool | None = None

    def ended(self, whole: bool) -> None:
        self.whole = whole

    def useless(self) -> None: ...


def test_the_room_is_bounded_for_one_owner_and_for_all() -> None:
    room = Room(10, 6)
    assert [room.take("a", 6), room.take("a", 1)] == [True, False]
    assert [room.take("b", 5), room.take("b", 4), room.take("c", 1)] == [False, True, False]
    room.free("a", 6)
    assert room.taken == 4
    assert [room.take("c", 6), room.take("a", 1)] == [True, False]
    room.limit(20, 20)
    assert room.take("b", 10)


def test_what_turns_out_too_large_takes_nothing_from_then_on() -> None:
    room = Room(10, 10)
    collected = Collected(room, "a", 4)
    for piece in (b"abc", b"de", b"f"):
        collected.add(piece)
    assert not collected.whole
    assert room.taken == 0
    collected.drop()
    assert (room.taken, collected.take()) == (0, b"")


def test_what_finds_no_room_gives_back_what_it_had() -> None:
    room = Room(4, 4)
    one, two = Collected(room, "a", 4), Collected(room, "b", 4)
    one.add(b"ab")
    two.add(b"cd")
    two.add(b"e")
    assert (one.whole, two.whole, room.taken) == (True, False, 2)
    assert one.take() == b"ab"
    assert room.taken == 0


def test_other_settings_count_for_answers_that_are_coming() -> None:
    keys = IdempotencyKeys(IdempotencySettings())
    keys.limit(IdempotencySettings(memory=1000))
    assert not keys.room.take("a", 2000)
    assert keys.room.take("a", 1000)


def test_a_reader_that_was_slow_and_left_holds_nothing_up() -> None:
    source, taker = Source(), Taker()
    under, collected = Body(source), Collected(Room(100, 100), "a", 100)
    copied = Copied(under, collected, taker, alone=False)
    copied.start()
    copied.pause()
    assert source.paused
    copied.leave()
    assert not source.paused
    under.feed(b"all of it")
    under.finish()
    assert (taker.whole, collected.take()) == (True, b"all of it")


def test_a_reader_that_has_left_can_pause_nothing_any_more() -> None:
    source = Source()
    copied = Copied(Body(source), Collected(Room(100, 100), "a", 100), Taker(), alone=False)
    copied.start()
    copied.leave()
    copied.pause()
    assert not source.paused
