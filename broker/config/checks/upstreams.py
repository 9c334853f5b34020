"""Upstreams: what their TLS settings mean together."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream, UpstreamTls


def upstream_settings(draft: Draft) -> Iterator[Problem]:
    """Mixed schemes, TLS without https, and weak TLS that nobody promised to look at again."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        yield from _schemes(upstream, at)
        if upstream.tls is not None:
            yield from _consistent(upstream.tls, (*at, "tls"))
            yield from _review(upstream.tls, (*at, "tls"))


def today() -> date:
    """The day by which reviews are due."""
    return datetime.now(UTC).date()


def _schemes(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    schemes = {target.scheme for target in upstream.targets}
    if len(schemes) > 1:
        yield Problem((*at, "targets"), "targets of one upstream are all http:// or all https://")
    elif upstream.tls is not None and schemes == {"http"}:
        yield Problem((*at, "tls"), "the targets are http://, where TLS settings do nothing")


def _consistent(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.profile == "obsolete":
        yield Problem((*at, "profile"), "profile obsolete needs an engine that this build does not have")
    if tls.unsafe_skip_verify and (tls.ca is not None or tls.pin_sha256):
        yield Problem((*at, "unsafe_skip_verify"), "contradicts ca and pin_sha256, which verify")


def _review(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    weak = tls.profile != "modern" or tls.unsafe_skip_verify
    if weak and tls.review_by is None:
        yield warning(at, "weak TLS without a `review_by` date")
    if tls.review_by is not None and tls.review_by < today():
        yield warning((*at, "review_by"), "the day to review this exception has passed")
