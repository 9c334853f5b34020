"""Counts and histograms at the price of an addition: the event loop is the only writer, the scrape the only reader."""

from bisect import bisect_left
from collections.abc import Collection, Mapping
from typing import Any, Final

BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the duration histograms, in seconds."""

KEPT_AFTER: Final = 600.0
"""Seconds for which the counts of what is no longer configured are still told: some scrapes."""


class Histogram:
    """Durations in seconds, in the buckets of `BOUNDS`."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative buckets as Prometheus wants them."""
        rows: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.counts, strict=True):
            running += count
            rows.append((bound, float(running)))
        return rows


class RouteTally:
    """What happened on one route."""

    __slots__ = ("duration", "errors", "in_flight", "replays", "requests")

    def __init__(self) -> None:
        self.requests: dict[tuple[bytes, int], int] = {}
        self.errors: dict[str, int] = {}
        self.duration = Histogram()
        self.in_flight = 0
        self.replays = 0


class Tallies:
    """All counts of the process, by configured name."""

    UNMATCHED: Final = "-"
    """The route label of requests that no route took."""

    def __init__(self) -> None:
        self.routes: dict[str, RouteTally] = {self.UNMATCHED: RouteTally()}
        self.upstreams: dict[str, Histogram] = {}
        self.callers: dict[tuple[str, str], int] = {}
        """By configured name and outcome."""
        self.refused_connections: dict[tuple[str, str], int] = {}
        """By listener and reason."""
        self.reloads: dict[str, int] = {"success": 0, "failure": 0}
        self.last_reload = 0.0
        self.last_reload_ok = True
        self._left: dict[tuple[str, str], float] = {}

    def route(self, name: str) -> RouteTally:
        """The tally of a route."""
        tally = self.routes.get(name)
        if tally is None:
            tally = self.routes[name] = RouteTally()
        return tally

    def caller(self, name: str, status: int, code: str) -> None:
        """Count a call by who made it; `name` is empty where nobody was authenticated."""
        key = (name or self.UNMATCHED, outcome(name, status, code))
        self.callers[key] = self.callers.get(key, 0) + 1

    def keep(self, names: Mapping[str, Collection[str]], now: float) -> None:
        """Forget what has not been configured for `KEPT_AFTER`; `names` by attribute, `now` in seconds.

        At once would lose the counts since the last scrape, and never would let them pile up.
        """
        for part, configured in names.items():
            counts: dict[Any, Any] = getattr(self, part)
            for key in list(counts):
                name = key[0] if isinstance(key, tuple) else key
                if name in configured or name == self.UNMATCHED:
                    self._left.pop((part, name), None)
                elif now - self._left.setdefault((part, name), now) >= KEPT_AFTER:
                    del counts[key]
        self._left = {left: since for left, since in self._left.items() if now - since < KEPT_AFTER}

    def upstream(self, name: str) -> Histogram:
        """The durations of an upstream."""
        histogram = self.upstreams.get(name)
        if histogram is None:
            histogram = self.upstreams[name] = Histogram()
        return histogram


def outcome(caller: str, status: int, code: str) -> str:
    """How a call ended for its caller, in one word."""
    if not caller:
        return {"caller_unauthenticated": "unauthenticated", "caller_forbidden": "forbidden"}.get(code, "unverified")
    return "success" if status < 400 else "client_error" if status < 500 else "server_error"
