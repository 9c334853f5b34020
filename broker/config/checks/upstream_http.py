"""Upstreams: what their HTTP settings mean together."""

from collections.abc import Iterator

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream
from broker.config.partial import rule
from broker.config.upstream_http import UpstreamHttp


def upstream_http(draft: Draft) -> Iterator[Problem]:
    """Settings that contradict each other, or do nothing."""
    for name, upstream in draft.upstreams.items():
        yield from _all(upstream, ("upstreams", name, "http"))


@rule
def _all(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.http is not None:
        for one in (_chunks, _unheld, _limits, _repeated):
            yield from one(upstream.http, at)


@rule
def _chunks(http: UpstreamHttp, at: Loc) -> Iterator[Problem]:
    if http.version == "1.0" and http.request_body == "stream":
        yield Problem((*at, "request_body"), "HTTP/1.0 has no chunked bodies: a body without a length is held back")


@rule
def _unheld(http: UpstreamHttp, at: Loc) -> Iterator[Problem]:
    for key in ("buffer", "spool"):
        if key in http.model_fields_set and not http.holds_bodies:
            yield warning((*at, key), "does nothing: bodies are not held back (request_body: content_length)")


@rule
def _limits(http: UpstreamHttp, at: Loc) -> Iterator[Problem]:
    if http.holds_bodies and http.buffer > http.spool:
        yield Problem((*at, "buffer"), "is larger than spool, which bounds the whole body")


@rule
def _repeated(http: UpstreamHttp, at: Loc) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(http.header_case):
        if name.lower() in seen:
            yield Problem((*at, "header_case", index), "this header is spelled already")
        seen.add(name.lower())
