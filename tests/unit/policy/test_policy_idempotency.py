"""A key is forwarded once in its window, its answer is given to whoever asks again, and memory is bounded."""

import asyncio

import pytest

from broker.policy.idempotency import MOST_WAITING, IdempotencySettings, IdempotencyStore
from broker.policy.idempotency_claim import Claim, KeptAnswer, Key, KeyConflict, StoreFull, Trouble

KEY = Key("orders", "fno", "k-1")
PRINT, OTHER = b"a" * 32, b"b" * 32
ANSWER = KeptAnswer(201, ((b"Location", b"/orders/7"),), b"made")


def store(clock, **more) -> IdempotencyStore:
    return IdempotencyStore(IdempotencySettings(**more), clock)


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def refused(some: IdempotencyStore, print_: bytes = PRINT, key: Key = KEY) -> KeyConflict:
    with pytest.raises(KeyConflict) as caught:
        await some.begin(key, print_)
    return caught.value


async def claimed(some: IdempotencyStore, key: Key = KEY) -> Claim:
    claim = await some.begin(key, PRINT)
    assert isinstance(claim, Claim)
    return claim


async def test_a_repeated_key_gets_the_first_answer_until_it_expires(clock) -> None:
    some = store(clock, window=100)
    with await claimed(some) as claim:
        claim.sent()
        claim.keep(ANSWER)
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 99
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 1
    await claimed(some)
    assert some.memory == 0


async def test_another_request_with_the_key_is_422_and_another_caller_has_its_own(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    assert (await refused(some, OTHER)).status == 422
    claim.keep(ANSWER)
    conflict = await refused(some, OTHER)
    assert (conflict.status, conflict.trouble) == (422, Trouble.REUSED)
    await claimed(some, KEY._replace(caller="else"))
    await claimed(some, KEY._replace(route="else"))


async def test_a_second_waits_for_the_first(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    waiting = [asyncio.create_task(some.begin(KEY, PRINT)) for _ in range(3)]
    await settle()
    waiting[0].cancel()
    await settle()
    claim.keep(ANSWER)
    assert await waiting[1] is ANSWER
    assert await waiting[2] is ANSWER
    assert waiting[0].cancelled()


async def test_when_the_first_was_never_sent_one_of_the_waiting_makes_the_call(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    waiting = [asyncio.create_task(some.begin(KEY, PRINT)) for _ in range(2)]
    await settle()
    claim.failed(ANSWER)
    await settle()
    (second,) = [task for task in waiting if task.done()]
    (third,) = [task for task in waiting if not task.done()]
    second.result().keep(ANSWER)
    assert await third is ANSWER


async def test_a_second_that_waited_too_long_or_is_one_of_too_many_is_409(clock) -> None:
    some = store(clock, wait=0.01)
    claim = await claimed(some)
    conflict = await refused(some)
    assert (conflict.status, conflict.trouble) == (409, Trouble.RUNNING)
    patient = store(clock)
    claim = await claimed(patient)
    waiting = [asyncio.create_task(patient.begin(KEY, PRINT)) for _ in range(MOST_WAITING)]
    await settle()
    assert (await refused(patient)).trouble is Trouble.RUNNING
    claim.keep(ANSWER)
    assert await asyncio.gather(*waiting) == [ANSWER] * MOST_WAITING


@pytest.mark.parametrize("how", ["give_up", "drop", "cancel", "failed"])
@pytest.mark.parametrize("sent", [False, True])
async def test_what_was_not_sent_is_forgotten_and_what_was_is_never_sent_again(clock, how: str, sent: bool) -> None:
    some = store(clock)
    claim = await claimed(some)
    if sent:
        claim.sent()
    if how == "give_up":
        claim.give_up()
    elif how == "drop":
        del claim
    elif how == "cancel":
        with pytest.raises(asyncio.CancelledError), claim:
            raise asyncio.CancelledError
    else:
        claim.failed(ANSWER)
    if not sent:
        await claimed(some)
    elif how == "failed":
        assert await some.begin(KEY, PRINT) is ANSWER
    else:
        conflict = await refused(some)
        assert (conflict.status, conflict.trouble) == (409, Trouble.UNKNOWN)


async def test_the_first_outcome_counts(clock) -> None:
    some = store(clock)
    claim = await claimed(some)
    claim.keep(ANSWER)
    claim.give_up()
    claim.keep(KeptAnswer(500, (), b""))
    assert await some.begin(KEY, PRINT) is ANSWER


async def test_answers_make_room_for_newer_ones_and_their_keys_stay(clock) -> None:
    some = store(clock, memory=3 * ANSWER.size, answer_most=2 * ANSWER.size)
    keys = [KEY._replace(key=str(number)) for number in range(4)]
    for key in keys:
        (await claimed(some, key)).keep(ANSWER)
    assert some.memory == 3 * ANSWER.size
    assert (await refused(some, key=keys[0])).trouble is Trouble.UNKNOWN
    assert await some.begin(keys[1], PRINT) is ANSWER
    large = KEY._replace(key="large")
    (await claimed(some, large)).keep(KeptAnswer(200, (), bytes(2 * ANSWER.size)))
    assert (await refused(some, key=large)).trouble is Trouble.UNKNOWN


async def test_a_full_store_takes_no_new_key_and_forgets_none(clock) -> None:
    some = store(clock, entries=2, window=100)
    (await claimed(some)).keep(ANSWER)
    clock.now += 40
    running = await claimed(some, KEY._replace(key="k-2"))
    with pytest.raises(StoreFull) as caught:
        await some.begin(KEY._replace(key="k-3"), PRINT)
    assert caught.value.seconds == 60
    assert await some.begin(KEY, PRINT) is ANSWER
    clock.now += 60
    await claimed(some, KEY._replace(key="k-3"))
    running.give_up()


@pytest.mark.parametrize("wrong", ["window", "entries", "memory", "answer_most", "wait"])
def test_settings_that_make_no_sense_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        IdempotencySettings(**{wrong: 0})
