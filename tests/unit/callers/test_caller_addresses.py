"""Where a call comes from is the peer's address, or what trusted proxies say, and nothing that a caller made up."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.callers.address import (
    MOST_BYTES,
    MOST_ELEMENTS,
    client_address,
    client_key,
    forwarded_for,
    listed,
    named,
    parse_address,
)
from broker.callers.ip import IpCheck
from broker.callers.slowing import PLACES, TOLERATED, Slowing, SlowingSettings
from broker.callers.verdict import ADMITTED
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange

Call = Callable[..., Exchange]
PROXIES = frozenset({"10.0.0.1", "10.0.0.2"})


def behind(exchange: Exchange, peer: str = "10.0.0.1") -> Exchange:
    side = exchange.caller_side
    side.peer, side.trusted, side.peer_trusted = peer, PROXIES, peer in PROXIES  # type: ignore[attr-defined]
    return exchange


def seen(call: Call, *lines: tuple[bytes, bytes], peer: str = "10.0.0.1") -> str:
    return str(client_address(behind(call(*lines), peer)))


XFF = b"X-Forwarded-For"


def test_a_stranger_is_known_by_its_own_address(call: Call) -> None:
    assert seen(call, (XFF, b"1.1.1.1"), peer="8.8.8.8") == "8.8.8.8"


def test_a_proxy_without_an_account_speaks_for_itself(call: Call) -> None:
    assert seen(call) == "10.0.0.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"1.1.1.1"], "1.1.1.1"),
        ([b"6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ([b"6.6.6.6", b"1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ([b"10.0.0.2, 10.0.0.1"], "10.0.0.2"),
        ([b"1.1.1.1:5000"], "1.1.1.1"),
        ([b"[2001:db8::1]:80"], "2001:db8::1"),
        ([b"::ffff:1.1.1.1"], "1.1.1.1"),
        ([b"1.1.1.1, unknown"], "None"),
        ([b"1.1.1.1,"], "None"),
    ],
)
def test_the_last_that_is_no_proxy_is_the_caller(call: Call, values: list[bytes], expected: str) -> None:
    assert seen(call, *((XFF, value) for value in values)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"for=1.1.1.1", "1.1.1.1"),
        (b'for=6.6.6.6, For="[2001:db8::1]:80";proto=https;by=_x', "2001:db8::1"),
        (b'proto=https;host="a,b";for=1.1.1.1', "1.1.1.1"),
        (b'for="1.1.1.1", for=10.0.0.2', "1.1.1.1"),
        (b"for=1.1.1.1, proto=https", "None"),
        (b"for=_hidden", "None"),
        (b'host="x;for=6.6.6.6";for=1.1.1.1', "1.1.1.1"),
        (b'for="6.6.6.6, for=1.1.1.1', "None"),
        (b'for=1.1.1.1, for="6.6.6.6', "None"),
        (b'for=1.1.1.1, for="6.6.6.6\\', "None"),
        (b"for=6.6.6.6;for=1.1.1.1", "None"),
        (b"for=1.1.1.1;;", "None"),
        (b"for=6.6.6.6 for=1.1.1.1", "None"),
        (b"for=1.1.1.1, ,", "None"),
    ],
)
def test_forwarded_says_it_as_well(call: Call, value: bytes, expected: str) -> None:
    assert seen(call, (b"Forwarded", value)) == expected


def test_two_accounts_have_to_agree(call: Call) -> None:
    assert seen(call, (XFF, b"1.1.1.1"), (b"Forwarded", b"for=1.1.1.1:80")) == "1.1.1.1"
    assert seen(call, (XFF, b"1.1.1.1"), (b"Forwarded", b"for=6.6.6.6")) == "None"


def test_an_address_in_the_networks_is_let_in(call: Call) -> None:
    check = IpCheck([ip_network("192.168.0.0/16"), ip_network("2001:db8::/32")])
    assert check.judge(behind(call(), "192.168.3.4")) is ADMITTED
    assert check.judge(behind(call(), "::ffff:192.168.3.4")) is ADMITTED
    assert check.judge(behind(call((XFF, b"2001:db8::5")))) is ADMITTED
    for peer in ("192.169.0.1", "2001:db9::1", ""):
        verdict = check.judge(behind(call((XFF, b"192.168.3.4")), peer))
        assert (verdict.challenges, verdict.reason) == ((), "Calls are not taken from this address.")


@given(st.lists(st.ip_addresses(), max_size=MOST_ELEMENTS))
def test_what_is_written_is_read_again(addresses: list[object]) -> None:
    plain = ", ".join(map(str, addresses)).encode()
    standard = ",".join(f'for="[{one}]:1"' if ":" in str(one) else f"for={one}" for one in addresses).encode()
    expected = [getattr(one, "ipv4_mapped", None) or ip_address(str(one).partition("%")[0]) for one in addresses]
    assert [parse_address(one) for one in listed([plain] if addresses else [])] == expected
    assert [parse_address(one) for one in forwarded_for([standard] if addresses else [])] == expected


@given(st.binary(max_size=200))
def test_whatever_comes_nothing_breaks(data: bytes) -> None:
    parse_address(data)
    for element in [*listed([data]), *forwarded_for([data])]:
        parse_address(element)


PIECE = st.sampled_from([b",", b", ", b'"', b"\\", b";", b"=", b"for=", b"1.1.1.1", b"10.0.0.2", b"[::1]:1", b"x"])


@given(st.lists(st.lists(PIECE, max_size=12).map(b"".join), max_size=3), st.integers(0, MOST_BYTES))
def test_long_accounts_mean_what_they_mean_one_line_at_a_time(values: list[bytes], blanks: int) -> None:
    """Up to the bounds, how long an account is makes no difference."""
    apart = [element for value in values for element in listed([value])]
    assert listed(values) == apart
    assert forwarded_for(values) == [element for value in values for element in forwarded_for([value])]
    size, elements = sum(map(len, values)), sum(value.count(b",") + 1 for value in values)
    padded = [*values, b" " * min(blanks, MOST_BYTES - size)]
    assert listed(padded) == [*apart, b""]
    filled = [*values, b",".join([b"1.1.1.1"] * (MOST_ELEMENTS - elements))]
    assert listed(filled) == [*apart, *[b"1.1.1.1"] * (MOST_ELEMENTS - elements)]
    standard = [*values, b",".join([b"for=1.1.1.1"] * (MOST_ELEMENTS - elements))]
    assert forwarded_for(standard)[-(MOST_ELEMENTS - elements) :] == [b"1.1.1.1"] * (MOST_ELEMENTS - elements)


LONG = [
    [b"1.1.1.1", *[b"10.0.0.2"] * MOST_ELEMENTS],
    [b"10.0.0.2"] * (MOST_ELEMENTS + 1),
    [b"6.6.6.6" + b" " * MOST_BYTES, b"1.1.1.1"],
]


@pytest.mark.parametrize("elements", LONG)
@pytest.mark.parametrize("joined", [False, True])
def test_an_account_that_is_too_long_names_nobody(call: Call, elements: list[bytes], joined: bool) -> None:
    plain = [b",".join(elements)] if joined else elements
    standard = [b",".join(b"for=" + one for one in elements)] if joined else [b"for=" + one for one in elements]
    short = (XFF, b"1.1.1.1"), (b"Forwarded", b"for=1.1.1.1")
    by_plain, by_standard = [(XFF, value) for value in plain], [(b"Forwarded", value) for value in standard]
    for lines in by_plain, by_standard, [*by_plain, *by_standard], [*by_plain, short[1]], [short[0], *by_standard]:
        exchange = behind(call(*lines))
        assert client_address(exchange) is None
        assert client_key(exchange) == "10.0.0.1"
        assert IpCheck([ip_network("0.0.0.0/0")]).judge(exchange) is not ADMITTED
    side = behind(call()).caller_side
    assert named(side, listed(plain)) is named(side, forwarded_for(standard)) is None


def test_as_many_as_may_be_are_read(call: Call) -> None:
    most = [b"1.1.1.1", *[b"10.0.0.2"] * (MOST_ELEMENTS - 1)]
    assert seen(call, (XFF, b",".join(most))) == "1.1.1.1"
    assert seen(call, *((XFF, one) for one in most)) == "1.1.1.1"
    assert seen(call, (XFF, b"1.1.1.1" + b" " * (MOST_BYTES - 7))) == "1.1.1.1"
    assert seen(call, (b"Forwarded", b",".join(b"for=" + one for one in most))) == "1.1.1.1"


@pytest.mark.parametrize("piece", [b'\\"', b'"\\', b'a"\\"', b'="\\"', b'";\\', b',"\\', b'"\\"",'])
@pytest.mark.parametrize("before", [b"", b'"', b'for="'])
def test_no_field_takes_longer_than_it_is_long(before: bytes, piece: bytes) -> None:
    began = process_time()
    for end in (b"", b"\\", b'"'):
        forwarded_for([before + piece * (60_000 // len(piece)) + end])
    # Looked through again from each quote on, it takes ten seconds and more.
    assert process_time() - began < 1.0


SETTINGS = SlowingSettings(after=2, delay=0.25, most=1.0, forget=600.0, addresses=3)


def test_answers_to_wrong_proofs_wait_a_little_longer_each_time(call: Call) -> None:
    slowing = Slowing(SETTINGS)
    assert [slowing.note(call()) for _ in range(6)] == [0, 0, 0.25, 0.5, 1.0, 1.0]


def test_each_address_counts_by_itself_and_ipv6_by_its_network(call: Call) -> None:
    slowing = Slowing(SETTINGS)
    for peer in ("1.1.1.1", "2001:db8::1", "1.1.1.1", "2001:db8::2"):
        assert slowing.note(behind(call(), peer)) == 0
    assert slowing.note(behind(call(), "2001:db8::3")) == 0.25
    assert slowing.note(behind(call(), "2001:db8:0:1::3")) == 0


def test_behind_a_proxy_its_caller_counts(call: Call) -> None:
    slowing = Slowing(SETTINGS)
    for _ in range(3):
        slowing.note(behind(call((XFF, b"6.6.6.6"))))
    assert slowing.note(behind(call((XFF, b"6.6.6.6")))) == 0.5
    assert slowing.note(behind(call((XFF, b"1.1.1.1")))) == 0


def test_whose_account_is_unclear_cannot_have_wrong_proofs_counted_for_many(call: Call) -> None:
    slowing = Slowing(SETTINGS)
    made_up = [b"for=1.1.1.1", b"for=1.1.1.2", b"for=_x", b"x", b'for="']
    delays = [slowing.note(behind(call((XFF, b"6.6.6.6"), (b"Forwarded", value)))) for value in made_up]
    assert delays == [0, 0, 0.25, 0.5, 1.0]
    for honest in (b"1.1.1.1", b"6.6.6.6"):
        assert slowing.note(behind(call((XFF, honest)))) == 0


def test_the_memory_is_bounded_and_fades(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowing = Slowing(SETTINGS)
    for number in range(50):
        slowing.note(behind(call(), f"1.1.1.{number}"))
    assert len(slowing) == 3
    now = [1000.0]
    monkeypatch.setattr("broker.callers.slowing.monotonic", lambda: now[0])
    for _ in range(4):
        slowing.note(behind(call(), "2.2.2.2"))
    now[0] += 601
    assert slowing.note(behind(call(), "2.2.2.2")) == 0


def suspected(call: Call, slowing: Slowing, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Have one address be suspected; gives its clock."""
    now = [1000.0]
    monkeypatch.setattr("broker.callers.slowing.monotonic", lambda: now[0])
    for _ in range(2 + TOLERATED):
        assert not slowing.suspects(call())
        slowing.note(call())
    slowing.note(call())
    return now


def test_many_wrong_proofs_make_every_proof_of_an_address_wait(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowing = Slowing(SETTINGS)
    suspected(call, slowing, monkeypatch)
    assert slowing.suspects(call())
    assert not slowing.suspects(behind(call(), "1.1.1.1"))


@pytest.mark.parametrize("guesses", [0, 1000])
def test_an_address_is_suspected_for_a_minute_at_most(
    call: Call, monkeypatch: pytest.MonkeyPatch, guesses: int
) -> None:
    slowing = Slowing(SETTINGS)
    now = suspected(call, slowing, monkeypatch)
    for _ in range(guesses):
        slowing.note(call())
    now[0] += 1
    assert slowing.suspects(call()) is (guesses > 0 or slowing._failures["203.0.113.7"].level > 2 + TOLERATED)
    now[0] += 60
    assert not slowing.suspects(call())
    slowing.note(behind(call(), "1.1.1.1"))
    assert not slowing.suspects(call())


def test_a_job_with_an_old_key_makes_nobody_wait(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("broker.callers.slowing.monotonic", lambda: now[0])
    slowing = Slowing(SETTINGS)
    for _ in range(200):
        slowing.note(call())
        now[0] += 10
        assert not slowing.suspects(call())


async def test_few_wait_at_a_time_and_the_others_are_sent_away(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    slowing = Slowing(SETTINGS)
    suspected(call, slowing, monkeypatch)
    waiting = [asyncio.ensure_future(slowing.hold_up(call())) for _ in range(PLACES)]
    await asyncio.sleep(0)
    with pytest.raises(BrokerError, match="rate_limited") as caught:
        await slowing.hold_up(call())
    assert caught.value.headers == (("Retry-After", "1"),)
    await slowing.hold_up(behind(call(), "1.1.1.1"))
    # Whoever hangs up gives the place free, and learned nothing.
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    waiting[0] = asyncio.ensure_future(slowing.hold_up(call()))
    await asyncio.gather(*waiting)


def test_it_can_be_turned_off(call: Call) -> None:
    slowing = Slowing(SlowingSettings(0, 0.0, 1.0, 600.0, 10))
    assert {slowing.note(call()) for _ in range(20)} == {0.0}
    assert len(slowing) == 0


def test_an_address_in_brackets_is_followed_by_a_port_or_by_nothing() -> None:
    assert str(parse_address(b"[::1]:80")) == str(parse_address(b"[::1]")) == "::1"
    assert [parse_address(text) for text in (b"[::1]x", b"[::1]:", b"[::1]80", b"[::1")] == [None] * 4
