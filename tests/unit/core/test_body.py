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


class Flow:
    """A source that knows whether it was told to stop, and a sink that knows what it was told."""

    def __init__(self) -> None:
        self.stopped = False
        self.told: list[object] = []

    def pause_body(self) -> None:
        self.stopped = True

    def resume_body(self) -> None:
        self.stopped = False

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def finish(self) -> None:
        self.told.append("finish")

    def fail(self, error: Exception) -> None:
        self.told.append(error)


def test_the_first_end_of_a_body_counts_and_nothing_comes_after_it() -> None:
    flow, broken = Flow(), ConnectionResetError()
    body = Body(flow)
    body.fail(broken)
    body.fail(ValueError())
    body.feed(b"more")
    body.finish()
    body.drain(flow)
    assert (body.complete, body.error, body.size, flow.told) == (False, broken, 0, [broken])
    whole = Body(flow)
    whole.finish()
    whole.fail(broken)
    assert (whole.complete, whole.error) == (True, None)


def test_a_body_that_is_complete_stops_its_source_no_more() -> None:
    flow = Flow()
    body = Body(flow)
    body.pause()
    assert flow.stopped
    body.finish()
    assert not flow.stopped
    body.pause()
    assert not flow.stopped


def test_what_was_drained_cannot_be_taken() -> None:
    flow = Flow()
    body = Body(flow)
    body.feed(b"all")
    body.finish()
    assert body.take() == b"all"
    body.drain(flow)
    assert body.take() is None
