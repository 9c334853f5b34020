"""A body holds little, stops its source, and never looks complete when it broke off."""

from broker.core.body import HELD_MOST, Body


class Source:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_body(self) -> None:
        self.told.append("pause")

    def resume_body(self) -> None:
        self.told.append("resume")


class Sink:
    def __init__(self) -> None:
        self.data = b""
        self.end: object = None

    def write(self, data: bytes) -> None:
        self.data += data

    def finish(self) -> None:
        self.end = "finished"

    def fail(self, error: Exception) -> None:
        self.end = error


def test_a_source_is_stopped_when_nobody_drains_and_goes_on_when_somebody_does() -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    body.feed(bytes(HELD_MOST))
    assert source.told == []
    body.feed(b"x")
    body.feed(b"y")
    assert source.told == ["pause"]
    assert body.paused
    body.drain(sink)
    assert source.told == ["pause", "resume"]
    assert len(sink.data) == body.size == HELD_MOST + 2


def test_what_comes_after_draining_began_goes_straight_on() -> None:
    sink = Sink()
    body = Body(Source())
    body.drain(sink)
    body.feed(b"ab")
    assert sink.data == b"ab"
    body.finish()
    assert sink.end == "finished"


def test_a_complete_body_can_be_taken_whole() -> None:
    body = Body(Source())
    body.feed(b"a")
    assert body.take() is None
    body.feed(b"b")
    body.finish()
    assert body.take() == b"ab"


def test_a_broken_body_fails_whoever_drains_it_then_or_later() -> None:
    error = ConnectionError()
    before, after = Body(Source()), Body(Source())
    sinks = Sink(), Sink()
    before.drain(sinks[0])
    before.fail(error)
    after.fail(error)
    after.drain(sinks[1])
    assert [sink.end for sink in sinks] == [error, error]


def test_a_complete_body_cannot_fail_any_more() -> None:
    body, sink = Body(Source()), Sink()
    body.finish()
    body.fail(ConnectionError())
    body.drain(sink)
    assert sink.end == "finished"
