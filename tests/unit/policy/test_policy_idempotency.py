"""A key is forwarded once in its window, its answer is given to whoever asks again, and memory is bounded."""

import asyncio

import pytest

from broker.core.errors import BrokerError
from broker.core.heads import ResponseHead
from broker.policy.idempotency import MOST_WAITING, IdempotencySettings, IdempotencyStore
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key

KEY = Key("orders", "fno", "k-1")
PRINT, OTHER = b"a" * 32, b"b" * 32
HEAD = ResponseHead(201, b"Created", False, [(b"Location", b"/orders/7")])
ANSWER = KeptAnswer(HEAD, b"made")
REUSED, IN_USE, UNKNOWN = "idempotency_key_reused", "idempotency_key_in_use", "idempotency_outcome_unknown"


def store(clock, **more) -> IdempotencyStore:
    return IdempotencyStore(IdempotencySettings(**more), clock)


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def refused(some: IdempotencyStore, print_: bytes = PRINT, key: Key = KEY) -> str:
    with pytest.raises(BrokerError) as caught:
        await some.begin(key, print_)
    return caught.value.code


async def claimed(some: IdempotencyStore, key: Key = KEY) -> Claim:
    claim = await some.begin(key, PRINT)
    assert isinstance(claim, Claim)
    return claim


async def answered(some: IdempotencyStore, key: Key = KEY, answer: KeptAnswer = ANSWER) -> None:
    claim = await claimed(some, key)
    claim.sent()
    claim.keep(answer)


async def test_a_repeated_key_gets_the_first_answer_until_it_expires(clock) -> None:
    some = store(clock, window=100)
    await answered(some)
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 99
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 1
    await claimed(some)
    assert some.memory == 0


async def test_another_request_with_the_key_is_422_and_another_caller_has_its_own(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    assert await refused(some, OTHER) == REUSED
    claim.sent()
    claim.keep(ANSWER)
    assert await refused(some, OTHER) == REUSED
    await claimed(some, KEY._replace(caller="else"))
    await claimed(some, KEY._replace(route="else"))


async def test_a_second_waits_for_the_first(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    waiting = [asyncio.create_task(some.begin(KEY, PRINT)) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    await settle()
    claim.sent()
    claim.keep(ANSWER)
    assert await waiting[1] is ANSWER
    assert await waiting[2] is ANSWER
    assert waiting[0].cancelled()


async def test_when_the_first_was_never_sent_one_of_the_waiting_makes_the_call(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    waiting = [asyncio.create_task(some.begin(KEY, PRINT)) for _ in range(2)]
    await settle()
    claim.give_up()
    await settle()
    (second,) = [task for task in waiting if task.done()]
    (third,) = [task for task in waiting if not task.done()]
    second.result().sent()
    second.result().keep(ANSWER)
    assert await third is ANSWER


async def test_a_second_that_waited_too_long_or_is_one_of_too_many_is_409(clock) -> None:
    some = store(clock, wait=0.01)
    claim = await claimed(some)
    assert await refused(some) == IN_USE
    patient = store(clock)
    claim = await claimed(patient)
    claim.sent()
    with pytest.raises(BrokerError, match=IN_USE):
        await patient.begin(KEY, PRINT, patience=-1)
    waiting = [asyncio.create_task(patient.begin(KEY, PRINT)) for _ in range(MOST_WAITING)]
    await settle()
    assert await refused(patient) == IN_USE
    claim.keep(ANSWER)
    assert await asyncio.gather(*waiting) == [ANSWER] * MOST_WAITING


@pytest.mark.parametrize("how", ["give_up", "drop"])
@pytest.mark.parametrize("sent", [False, True])
async def test_what_was_not_sent_is_forgotten_and_what_was_is_never_sent_again(clock, how: str, sent: bool) -> None:
    some = store(clock)
    claim = await claimed(some)
    if sent:
        claim.sent()
    if how == "give_up":
        claim.give_up()
    del claim
    if sent:
        assert await refused(some) == UNKNOWN
    else:
        await claimed(some)


@pytest.mark.parametrize("outcome", ["keep", "give_up"])
async def test_a_call_that_was_refused_with_401_was_not_applied_unless_another_attempt_may_have_been(
    clock, outcome: str
) -> None:
    some = store(clock)
    for attempts in (1, 2):
        claim = await claimed(some)
        for _ in range(attempts):
            claim.sent()
        claim.refused()
        claim.keep(ANSWER) if outcome == "keep" else claim.give_up()
    if outcome == "keep":
        assert await some.begin(KEY, PRINT) is ANSWER
    else:
        assert await refused(some) == UNKNOWN


async def test_the_first_outcome_counts(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    claim.sent()
    claim.keep(ANSWER)
    claim.give_up()
    claim.keep(KeptAnswer(HEAD, b"else"))
    assert await some.begin(KEY, PRINT) is ANSWER


async def test_answers_make_room_for_newer_ones_and_their_keys_stay(clock) -> None:
    some = store(clock, memory=3 * ANSWER.size, answer_most=3 * ANSWER.size)
    keys = [KEY._replace(key=str(number)) for number in range(4)]
    for key in keys:
        await answered(some, key)
    assert some.memory == 3 * ANSWER.size
    assert await refused(some, key=keys[0]) == UNKNOWN
    assert await some.begin(keys[1], PRINT) is ANSWER
    large = KEY._replace(key="large")
    await answered(some, large, KeptAnswer(HEAD, bytes(3 * ANSWER.size)))
    assert await refused(some, key=large) == UNKNOWN


async def test_a_full_store_takes_no_new_key_forgets_none_and_says_what_helps(
    clock, caplog: pytest.LogCaptureFixture
) -> None:
    some = store(clock, entries=2, window=100)
    await answered(some)
    clock.now += 40
    running = await claimed(some, KEY._replace(caller="other"))
    for _ in range(3):
        with pytest.raises(BrokerError, match="overloaded") as caught:
            await some.begin(KEY._replace(caller="third"), PRINT)
    [(_, seconds)] = caught.value.headers
    assert 60 <= int(seconds) <= 75
    assert [record.getMessage() for record in caplog.records if "idempotency_keys.entries" in record.getMessage()] == [
        caplog.records[0].getMessage()
    ]
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 60
    await claimed(some, KEY._replace(caller="third"))
    running.give_up()


async def test_one_owner_fills_a_share_of_the_keys_only(clock, caplog: pytest.LogCaptureFixture) -> None:
    some = store(clock, entries=8, window=100)
    await answered(some, KEY._replace(caller="other"))
    clock.now += 40
    await answered(some)
    running = await claimed(some, KEY._replace(key="k-2"))
    third = KEY._replace(key="k-3", route="another")
    with pytest.raises(BrokerError, match="overloaded") as caught:
        await some.begin(third, PRINT)
    [(_, seconds)] = caught.value.headers
    # When the first of its own is forgotten, not when the first of all is.
    assert int(seconds) >= 100
    assert "the share of one caller, 2 keys are remembered" in caplog.text
    assert await some.begin(KEY, PRINT) is ANSWER
    await claimed(some, KEY._replace(key="k-3", caller="other"))
    running.give_up()
    await claimed(some, third)


async def test_answers_of_one_owner_make_no_room_at_the_cost_of_others(clock) -> None:
    some = store(clock, memory=8 * ANSWER.size, answer_most=ANSWER.size)
    other = KEY._replace(caller="other")
    await answered(some, other)
    keys = [KEY._replace(key=str(number)) for number in range(20)]
    for key in keys:
        await answered(some, key)
    assert some.memory == 3 * ANSWER.size
    assert await some.begin(other, PRINT) is ANSWER
    assert await some.begin(keys[-2], PRINT) is ANSWER
    assert await refused(some, key=keys[-3]) == UNKNOWN


async def test_answers_of_all_owners_together_have_no_more_memory_than_there_is(clock) -> None:
    some = store(clock, memory=4 * ANSWER.size, answer_most=ANSWER.size)
    keys = [KEY._replace(caller=str(number)) for number in range(6)]
    for key in keys:
        await answered(some, key)
    assert some.memory == 4 * ANSWER.size
    assert await refused(some, key=keys[1]) == UNKNOWN
    assert await some.begin(keys[2], PRINT) is ANSWER


async def test_an_answer_larger_than_all_memory_pushes_no_other_out(clock) -> None:
    some = store(clock, memory=2 * ANSWER.size, answer_most=100 * ANSWER.size)
    await answered(some)
    await answered(some, KEY._replace(key="large"), KeptAnswer(HEAD, bytes(2 * ANSWER.size)))
    assert await some.begin(KEY, PRINT) is ANSWER


async def test_answers_without_a_body_take_memory_too(clock) -> None:
    some = store(clock)
    await answered(some, answer=KeptAnswer(ResponseHead(204, b"No Content", False, []), b""))
    assert some.memory >= 100


async def test_a_store_that_stays_full_says_so_now_and_then(clock, caplog: pytest.LogCaptureFixture) -> None:
    some = store(clock, entries=1, window=1000)
    await answered(some)
    for passed in (0, 50, 20):
        clock.now += passed
        assert await refused(some, key=KEY._replace(key="another")) == "overloaded"
    assert len(caplog.records) == 2


async def test_an_owner_without_keys_is_forgotten(clock) -> None:
    some = store(clock, window=100)
    await answered(some)
    (await claimed(some, KEY._replace(caller="other"))).give_up()
    clock.now += 100
    assert len(some) == 0
    assert not some._running_of
    assert not some._over._owned


async def test_other_settings_count_for_what_is_remembered(clock) -> None:
    some = store(clock, window=100)
    await answered(some)
    clock.now += 90
    await answered(some, KEY._replace(key="k-2"))
    some.limit(IdempotencySettings(window=200, memory=ANSWER.size))
    assert len(some) == 2
    assert some.memory == ANSWER.size
    assert await refused(some) == UNKNOWN
    some.limit(IdempotencySettings(window=50, memory=ANSWER.size))
    assert len(some) == 1
    assert await some.begin(KEY._replace(key="k-2"), PRINT) is ANSWER


async def test_no_repr_shows_an_answer() -> None:
    assert "made" not in repr(ANSWER)
    assert "orders" not in repr(ANSWER)


async def test_who_finds_all_and_its_own_share_full_is_told_when_both_have_room(clock) -> None:
    some = store(clock, entries=4, window=100)
    for number in range(3):
        await answered(some, KEY._replace(caller=f"else{number}"))
    clock.now += 60
    await answered(some)
    with pytest.raises(BrokerError) as caught:
        await some.begin(KEY._replace(key="k-2"), PRINT)
    assert caught.value.headers == (("Retry-After", "100"),)
    clock.now += 100
    await claimed(some, KEY._replace(key="k-2"))


@pytest.mark.parametrize("wrong", ["window", "entries", "memory", "answer_most", "wait"])
def test_settings_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        IdempotencySettings(**{wrong: 0})
