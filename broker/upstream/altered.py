"""A call as it would be with another body."""

from copy import copy
from dataclasses import replace

from broker.core.body import Body
from broker.core.exchange import Exchange
from broker.core.heads import Framing


def with_body(exchange: Exchange, body: Body) -> Exchange:
    """The call with this body, framed as before."""
    altered = copy(exchange)
    altered.body = body
    return altered


def with_length(exchange: Exchange, body: Body | None, length: int) -> Exchange:
    """The call as it would be had the caller sent a body of this length."""
    line = (b"Content-Length", b"%d" % length)
    framing = (b"transfer-encoding", b"content-length")
    lines = [line if name.lower() in framing else (name, value) for name, value in exchange.head.lines]
    measured = copy(exchange)
    measured.head = replace(exchange.head, framing=Framing.LENGTH, length=length, lines=lines)
    measured.body = body
    return measured
