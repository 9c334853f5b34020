"""Upstreams: what their TLS settings mean together."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Upstream, UpstreamTls
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
        if upstream.tls is not None:
            yield from _consistent(upstream.tls, (*at, "tls"))
            yield from _review(upstream.tls, (*at, "tls"))


def today() -> date:
    """The day by which reviews are due."""
    return datetime.now(UTC).date()


def _schemes(upstream: Upstream, at: Loc) -> Iterator[Problem]:
    schemes = {target.scheme for target in upstream.all_targets}
    if len(schemes) > 1:
        yield Problem((*at, "targets"), "targets of one upstream are all http:// or all https://")
    elif upstream.tls is not None and schemes == {"http"}:
        yield Problem((*at, "tls"), "the targets are http://, where TLS settings do nothing")


def _consistent(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.unsafe_skip_verify and (tls.ca is not None or tls.pin_sha256):
        yield Problem((*at, "unsafe_skip_verify"), "contradicts ca and pin_sha256, which verify")
    if tls.ciphers is not None and not tls.unsafe_skip_verify and _ANONYMOUS.search(tls.ciphers):
        yield Problem(
            (*at, "ciphers"), "anonymous suites have no certificate to verify: that takes `unsafe_skip_verify: true`"
        )
    yield from _versions(tls, at)


def _versions(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if tls.max_version is None:
        return
    if tls.min_version is not None and _age(tls.min_version) > _age(tls.max_version):
        yield Problem((*at, "min_version"), f"is newer than max_version, {tls.max_version}")
    most = _HELLO_MOST.get(tls.hello or "full")
    if most is not None and _age(tls.max_version) > _age(most):
        yield Problem((*at, "max_version"), f"`hello: {tls.hello}` can offer {most} at most")


def _age(version: str) -> int:
    return VERSIONS.index(version)


def _review(tls: UpstreamTls, at: Loc) -> Iterator[Problem]:
    if _weak(tls) and tls.review_by is None:
        yield warning(at, "weak TLS without a `review_by` date")
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
