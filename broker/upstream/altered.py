"""A call as it would be with another body."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import Framing


def with_body(exchange: Exchange, body: Body) -> Exchange:
    """The call with this body, framed as before."""
    altered = _copy(exchange)
    altered.body = body
    return altered


def _copy(exchange: Exchange) -> Exchange:
    altered = copy(exchange)
    altered.original = exchange.original or exchange
    return altered


def with_length(exchange: Exchange, body: Body | None, length: int) -> Exchange:
    """The call as it would be had the caller sent a body of this length."""
    line = (b"Content-Length", b"%d" % length)
    framing = (b"transfer-encoding", b"content-length")
    lines = [line if name.lower() in framing else (name, value) for name, value in exchange.head.lines]
    measured = _copy(exchange)
    measured.head = replace(exchange.head, framing=Framing.LENGTH, length=length, lines=lines)
    measured.body = body
    return measured


@contextmanager
def abandoning(attempt: Exchange) -> Iterator[None]:
    """Let go of the attempt's body if the block fails: a file may be behind it."""
    try:
        yield
    except BaseException:
        if attempt.body is not None:
            attempt.body.abandon()
        raise
