"""The end of every call: counted, timed, logged."""

from broker.core.exchange import Exchange
from broker.observe.access_log import AccessLog
from broker.observe.tally import RouteTally, Tallies

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"MERGE", b"TRACE", b"CONNECT"})
"""Methods that are named in metrics; a caller cannot invent label values."""

_UNPROVEN = frozenset({"caller_unauthenticated", "caller_forbidden", "caller_unverifiable"})

CALLER_GONE = 499
"""The status noted for callers that went away before the answer; never sent."""


class Observer:
    """Notes what happened to calls."""

    def __init__(self, tallies: Tallies, access_log: AccessLog | None) -> None:
        self.tallies = tallies
        self.access_log = access_log

    def begin(self, exchange: Exchange) -> RouteTally:
        """A call was matched to its route."""
        plan = exchange.plan
        tally = self.tallies.route(plan.name if plan is not None else Tallies.UNMATCHED)
        tally.in_flight += 1
        return tally

    def finish(self, exchange: Exchange, tally: RouteTally | None, now: float, aborted: bool) -> None:
        """A call is over; `now` in event-loop seconds."""
        if tally is None:
            tally = self.tallies.routes[Tallies.UNMATCHED]
        else:
            tally.in_flight -= 1
        if exchange.replayed:
            tally.replays += 1
        method = exchange.head.method
        key = (method if method in METHODS else b"OTHER", exchange.status)
        tally.requests[key] = tally.requests.get(key, 0) + 1
        duration = now - exchange.started
        tally.duration.observe(duration)
        if exchange.code:
            tally.errors[exchange.code] = tally.errors.get(exchange.code, 0) + 1
        if exchange.caller or exchange.code in _UNPROVEN:
            self.tallies.caller(exchange.caller, exchange.status, exchange.code)
        plan = exchange.plan
        if plan is not None and exchange.upstream_seconds >= 0:
            self.tallies.upstream(plan.upstream.name).observe(exchange.upstream_seconds)
        if self.access_log is not None:
            self.access_log.write(exchange, duration, aborted)
