"""Upstreams: what their TLS settings mean together."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream, UpstreamTls
from broker.config.partial import rule
from broker.config.upstream_tls import VERSIONS

_MODERN_LEVEL: Final = 2
_HELLO_MOST: Final = {"short": "TLSv1.2", "bare": "TLSv1.0"}
_ANONYMOUS: Final = re.compile(r"(?<![!\-\w])(ADH|AECDH|aNULL|aDH|aECDH)\b")
_WEAK_CIPHERS: Final = re.compile(r"(?<![!\w])(?:\w+-)*(RC4|3DES|DES|NULL|aNULL|eNULL|MD5|LOW|ALL|COMPLEMENTOFALL)\b")


def upstream_settings(draft: Draft) -> Iterator[Problem]:
    """Mixed schemes, TLS without https, and weak TLS that nobody promised to look at again."""
    for name, upstream in draft.upstreams.items():
        at: Loc = ("upstreams", name)
        yield from _schemes(upstream, at)
        yield from _tls(upstream, (*at, "tls"))


def today() -> date:
    """The day by which reviews are due."""
    return datetime.now(UTC).date()


@rule
def _tls(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    if upstream.tls is not None:
        for one in (_verification, _anonymous, _versions, _hello, _undated, _overdue):
            yield from one(upstream.tls, at)


@rule
def _schemes(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    schemes = {target.scheme for target in upstream.all_targets}
    if len(schemes) > 1:
        yield Problem((*at, "targets"), "targets of one upstream are all http:// or all https://")
    elif upstream.tls is not None and schemes == {"http"}:
        yield Problem((*at, "tls"), "the targets are http://, where TLS settings do nothing")


@rule
def _verification(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.unsafe_skip_verify and (tls.ca is not None or tls.pin_sha256):
        yield Problem((*at, "unsafe_skip_verify"), "contradicts ca and pin_sha256, which verify")


@rule
def _anonymous(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.ciphers is not None and not tls.unsafe_skip_verify and _ANONYMOUS.search(tls.ciphers):
        yield Problem(
            (*at, "ciphers"), "anonymous suites have no certificate to verify: that takes `unsafe_skip_verify: true`"
        )


@rule
def _versions(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.max_version is not None and tls.min_version is not None and _age(tls.min_version) > _age(tls.max_version):
        yield Problem((*at, "min_version"), f"is newer than max_version, {tls.max_version}")


@rule
def _hello(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    most = _HELLO_MOST.get(tls.hello or "full")
    if most is not None and tls.max_version is not None and _age(tls.max_version) > _age(most):
        yield Problem((*at, "max_version"), f"`hello: {tls.hello}` can offer {most} at most")


def _age(version: str) -> int:
    return VERSIONS.index(version)


@rule
def _undated(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.review_by is None and _weak(tls):
        yield warning(at, "weak TLS without a `review_by` date")


@rule
def _overdue(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.review_by is not None and tls.review_by < today():
        yield warning((*at, "review_by"), "the day to review this exception has passed")


def _weak(tls: UpstreamTls) -> bool:
    """Whether anything is let through that profile `modern` alone would refuse."""
    oldest = tls.min_version or tls.max_version
    return (
        tls.profile != "modern"
        or tls.unsafe_skip_verify
        or (oldest is not None and _age(oldest) < _age("TLSv1.2"))
        or (tls.security_level is not None and tls.security_level < _MODERN_LEVEL)
        or tls.legacy_renegotiation is True
        or tls.hello == "bare"
        or (tls.ciphers is not None and _WEAK_CIPHERS.search(tls.ciphers) is not None)
    )
