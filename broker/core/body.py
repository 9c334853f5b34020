"""A message body on its way: fed by a parser, drained by a writer, with backpressure between them."""

from typing import Final, Protocol

HELD_MOST: Final = 64 * 1024
"""Bytes a body holds while nobody drains it; above that its source is told to stop."""


class BodySource(Protocol):
    """What feeds a body: a connection that can stop reading."""

    def pause_body(self) -> None:
        """Feed no more until `resume_body`."""

    def resume_body(self) -> None:
        """Go on feeding."""


class BodySink(Protocol):
    """What drains a body."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> None:
        """The body is complete."""

    def fail(self, error: Exception) -> None:
        """The body broke off: whoever reads on must not see it as complete."""


class _Ended:
    """Stands for the sink of a body that has ended: sinks know their body often, and the two would keep each other."""

    def write(self, data: bytes) -> None:
        """Nothing comes."""

    def finish(self) -> None:
        """It was told."""

    def fail(self, error: Exception) -> None:
        """It was told."""


_ENDED: Final = _Ended()


class Body:
    """The bytes of one body. It is complete, or failed, or still coming; it is drained once."""

    __slots__ = ("_held", "_held_size", "_paused", "_sink", "_source", "complete", "error", "size")

    def __init__(self, source: BodySource) -> None:
        self._source = source
        self._sink: BodySink | None = None
        self._held: list[bytes] = []
        self._held_size = 0
        self._paused = False
        self.complete = False
        self.error: Exception | None = None
        self.size = 0

    def feed(self, data: bytes) -> None:
        """The source has more; after a failure nobody wants it."""
        if self.error is not None:
            return
        self.size += len(data)
        if self._sink is not None:
            self._sink.write(data)
            return
        self._held.append(data)
        self._held_size += len(data)
        if self._held_size > HELD_MOST:
            self.pause()

    def finish(self) -> None:
        """The source is done; a body that failed stays incomplete."""
        if self.error is not None:
            return
        self.complete = True
        # The connection goes on to its next message, whether or not this one has been taken.
        self.resume()
        sink = self._sink
        if sink is not None:
            self._sink = _ENDED
            sink.finish()

    def fail(self, error: Exception) -> None:
        """The source broke off."""
        if self.complete or self.error is not None:
            return
        self.error = error
        sink = self._sink
        if sink is not None:
            self._sink = _ENDED
            sink.fail(error)

    def take(self) -> bytes | None:
        """All of it, when it is complete and nobody drained it yet."""
        if not self.complete or self._sink is not None:
            return None
        held = self._held
        return held[0] if len(held) == 1 else b"".join(held)

    def drain(self, sink: BodySink) -> None:
        """Hand `sink` what is held and all that comes; once, for what was drained is gone."""
        if self._sink is not None:
            raise RuntimeError("this body was drained before")
        self._sink = sink
        self.resume()
        held, self._held = self._held, []
        for data in held:
            sink.write(data)
        if self.complete:
            self._sink = _ENDED
            sink.finish()
        elif self.error is not None:
            self._sink = _ENDED
            sink.fail(self.error)

    def pause(self) -> None:
        """The sink cannot take more."""
        if not self._paused and not self.complete:
            self._paused = True
            self._source.pause_body()

    def resume(self) -> None:
        """The sink can take more."""
        if self._paused:
            self._paused = False
            self._source.resume_body()

    def abandon(self) -> None:
        """Nobody takes the rest: a source that holds something for this body alone gives it back."""

    @property
    def drained(self) -> bool:
        """Whether somebody took it already, or takes it."""
        return self._sink is not None

    @property
    def paused(self) -> bool:
        """Whether the source was told to stop."""
        return self._paused


class BodyBelow:
    """A body as the source of another one that is made of it."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def pause_body(self) -> None:
        """Feed no more until `resume_body`."""
        self._body.pause()

    def resume_body(self) -> None:
        """Go on feeding."""
        self._body.resume()
