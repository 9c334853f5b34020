"""What a request above the rate of its address is told."""

from collections.abc import Callable

from broker.core.exchange import Exchange
from broker.core.rates import parse_rate
from broker.listener.request_rate import RequestRate

Call = Callable[..., Exchange]
PROXY = "10.0.0.1"


def unclear(call: Call, plain: bytes, standard: bytes) -> Exchange:
    """A request whose two fields name different senders."""
    exchange = call((b"X-Forwarded-For", plain), (b"Forwarded", b"for=" + standard))
    side = exchange.caller_side
    side.peer, side.trusted, side.peer_trusted = PROXY, frozenset({PROXY}), True  # type: ignore[attr-defined]
    return exchange


def test_who_is_told_to_wait_is_not_refused_by_the_other_bucket_then(call: Call) -> None:
    now = [0.0]
    rate = RequestRate(parse_rate("1/m burst 1"), lambda: now[0])
    one = unclear(call, b"192.0.2.1", b"198.51.100.1")
    other = unclear(call, b"192.0.2.2", b"198.51.100.2")
    assert rate.refusal(one) is None
    now[0] = 40.0
    assert rate.refusal(other) is None
    for mixed in (unclear(call, b"192.0.2.1", b"198.51.100.2"), unclear(call, b"192.0.2.2", b"198.51.100.1")):
        now[0] = 50.0
        refused = rate.refusal(mixed)
        assert refused is not None
        assert refused.headers == (("Retry-After", "50"),)
    now[0] = 100.0
    assert rate.refusal(mixed) is None


def test_what_a_refused_request_makes_up_is_not_remembered(call: Call) -> None:
    rate = RequestRate(parse_rate("1/h burst 1"), lambda: 0.0)
    for number in range(9):
        rate.refusal(unclear(call, b"192.0.2.1", b"198.51.100.%d" % number))
    assert [len(buckets) for buckets in rate._unclear] == [1, 1]
