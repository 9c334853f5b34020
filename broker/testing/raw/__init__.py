"""Byte-exact doubles of both hops: a scripted upstream, and a client that shows what arrived."""

from broker.testing.raw.client import RawClient, RawResponse
from broker.testing.raw.reader import RawReader, read_body, read_head, read_request
from broker.testing.raw.upstream import Connection, RawUpstream

__all__ = [
    "Connection",
    "RawClient",
    "RawReader",
    "RawResponse",
    "RawUpstream",
    "read_body",
    "read_head",
    "read_request",
]
