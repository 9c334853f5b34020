"""From an upstream's HTTP settings to the parts that heed them; an upstream without any gets the plain parts."""

from dataclasses import replace

from broker.config.upstream_http import UpstreamHttp
from broker.core.alarms import AlarmWheel
from broker.http1.lenient_parser import AnswerRules
from broker.policy.held_bodies import HeldBodies
from broker.rewrite.manner import in_manner
from broker.rewrite.request import request_head
from broker.upstream.holding import HoldingUpstream
from broker.upstream.manner import HoldLimits, Manner
from broker.upstream.origin import Origin, UpstreamSettings
from broker.upstream.send import RewriteRequest, Upstream


def manner_of(http: UpstreamHttp | None) -> Manner | None:
    """How HTTP is spoken; None where nothing is special."""
    if http is None or http == UpstreamHttp():
        return None
    return Manner(
        AnswerRules(frozenset(http.lenient), asked_in_1_0=http.version == "1.0"),
        keeps_connections=http.keep_alive is not False,
        hold=HoldLimits(http.buffer, http.spool) if http.holds_bodies else None,
    )


def make_upstream(
    name: str,
    origins: list[Origin],
    settings: UpstreamSettings,
    wheel: AlarmWheel,
    http: UpstreamHttp | None,
    held: HeldBodies | None = None,
) -> Upstream:
    """The upstream, of the kind that its manner needs; `held`: what all held bodies together count for."""
    rewrite = request_head if http is None or settings.http is None else _rewrite(http)
    if settings.http is None or settings.http.hold is None:
        return Upstream(name, origins, settings, wheel, rewrite)
    return HoldingUpstream(name, origins, settings, wheel, rewrite, replace(settings.http.hold, budget=held))


def _rewrite(http: UpstreamHttp) -> RewriteRequest:
    http10 = http.version == "1.0"
    connection = b""
    if http.keep_alive is False:
        connection = b"close"
    elif http.keep_alive and http10:
        connection = b"keep-alive"
    if not (http10 or connection or http.header_case):
        return request_head
    return in_manner(
        request_head, http10=http10, spellings=[name.encode() for name in http.header_case], connection=connection
    )
