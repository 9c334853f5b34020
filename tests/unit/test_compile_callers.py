"""What callers have of their own is made once, however many routes they call."""

from broker.compile_callers import CallerLimits
from broker.config.load import parse_config
from broker.policy.fair_queue import Priority
from broker.policy.registry import Registry

CONFIG = parse_config("""version: 1
listeners: {in: {bind: "127.0.0.1:0", tls: {certificates: [{chain: a.crt, key: a.key}]}}}
callers:
  fno: {type: ip, allow: [10.0.0.0/24], rate: 5/s, priority: high}
  nightly: {type: ip, allow: [10.0.1.0/24], rate: 1/s}
  reports: {type: ip, allow: [10.0.2.0/24], priority: low}
upstreams: {u: {targets: ["http://127.0.0.1"]}}
routes: [{name: r, callers: [fno, nightly, reports], upstream: u}]
""")


def test_routes_with_the_same_callers_share_what_they_look_in() -> None:
    limits = CallerLimits(CONFIG, Registry())
    meters, priorities = limits.of(("fno", "nightly", "reports"))
    assert set(meters) == {"fno", "nightly"}
    assert priorities == {"fno": Priority.HIGH, "reports": Priority.LOW}
    again = limits.of(("fno", "nightly", "reports"))
    assert again[0] is meters
    assert again[1] is priorities


def test_routes_with_other_callers_share_their_meters() -> None:
    limits = CallerLimits(CONFIG, Registry())
    both, one = limits.of(("fno", "nightly"))[0], limits.of(("fno",))[0]
    assert set(one) == {"fno"}
    assert one["fno"] is both["fno"]
    assert limits.of(()) == ({}, {})


def test_of_callers_without_a_route_nothing_is_kept() -> None:
    registry = Registry()
    CallerLimits(CONFIG, registry).of(("nightly",))
    assert set(registry.buckets) == {("caller", "nightly")}
