"""Whatever callers do, a key is sent once in its window, and two requests never look the same."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.core.heads import ResponseHead
from broker.policy.idempotency import IdempotencySettings, IdempotencyStore
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key
from broker.policy.idempotency_key import Fingerprint, parse_idempotency_key

KEY = Key("orders", "fno", "k-1")
PRINT, OTHER = b"a" * 32, b"b" * 32
ANSWER = KeptAnswer(ResponseHead(201, b"Created", False, [(b"Location", b"/orders/7")]), b"made")

STEP = st.tuples(
    st.sampled_from(["begin", "begin", "sent", "keep", "give_up", "wait"]), st.integers(0, 7), st.booleans()
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_within_its_window_a_key_is_sent_once(steps) -> None:
    async def play() -> None:
        now = 0.0
        limits = IdempotencySettings(window=10, entries=8, memory=4 * ANSWER.size, answer_most=ANSWER.size)
        some = IdempotencyStore(limits, lambda: now)
        claims: dict[Key, Claim] = {}
        sent: dict[Key, float] = {}
        for action, number, fits in steps:
            key = KEY._replace(key=str(number), caller="ab"[number % 2])
            if action == "wait":
                now += 4
            elif action == "begin" and key not in claims:
                try:
                    got = await some.begin(key, PRINT if fits else OTHER)
                except BrokerError:
                    continue
                if isinstance(got, Claim):
                    assert key not in sent or now - sent[key] >= 10
                    claims[key] = got
            elif action == "sent" and key in claims:
                claims[key].sent()
                sent[key] = float("inf")
            elif action in ("keep", "give_up") and key in claims:
                claim = claims.pop(key)
                if key in sent:
                    sent[key] = now
                getattr(claim, action)(*(() if action == "give_up" else (ANSWER,)))
            # A share for each of the two callers.
            assert len(some) <= 4
            assert some.memory <= 2 * ANSWER.size

    asyncio.run(play())


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([b'"8e03978e-40d5"'], "8e03978e-40d5"),
        ([b" 8e03978e-40d5 "], "8e03978e-40d5"),
        ([rb'"a \"b\" \\ c"'], r'a "b" \ c'),
        ([b'"' + b"k" * 255 + b'"'], "k" * 255),
    ],
)
def test_keys_are_read(values: list[bytes], key: str) -> None:
    assert parse_idempotency_key(values) == key


@pytest.mark.parametrize(
    "values",
    [[], [b'"a"', b'"a"'], [b""], [b'""'], [b'"a'], [b'"\xe9"'], [b"a b"], [b'"a";x=1'], [b"a,b"], [b"k" * 256]],
)
def test_malformed_keys_are_refused(values: list[bytes]) -> None:
    with pytest.raises(ValueError):
        parse_idempotency_key(values)


@given(st.tuples(*[st.binary(max_size=6)] * 4), st.tuples(*[st.binary(max_size=6)] * 4), st.integers(0, 6))
def test_fingerprints_tell_requests_apart_and_not_how_they_came(one, two, cut) -> None:
    def digest(method: bytes, target: bytes, content_type: bytes, body: bytes, at: int = 0) -> bytes:
        fingerprint = Fingerprint((method, target, content_type))
        fingerprint.add(body[:at])
        fingerprint.add(body[at:])
        return fingerprint.digest()

    assert digest(*one) == digest(*one, cut)
    assert (digest(*one) == digest(*two)) is (one == two)


def test_what_stands_before_and_after_the_border_of_two_parts_counts() -> None:
    one, two = Fingerprint((b"POST", b"/orders", b"")), Fingerprint((b"POST", b"/order", b"s"))
    assert one.digest() != two.digest()
    whole, cut = Fingerprint((b"POST", b"/orders")), Fingerprint((b"POST", b"/"))
    cut.add(b"orders")
    assert whole.digest() != cut.digest()
