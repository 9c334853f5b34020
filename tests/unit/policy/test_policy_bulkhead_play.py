"""Whatever callers do, a bulkhead is never above its limit, and nobody waits while there is room."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError
from broker.policy.bulkhead import Bulkhead, BulkheadSettings
from broker.policy.fair_queue import Priority


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


STEP = st.tuples(
    st.sampled_from(["enter", "enter", "try", "leave", "leave", "cancel", "limit", "queue", "run"]),
    st.sampled_from(Priority),
    st.integers(0, 30),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=60))
def test_never_above_the_limit_and_no_wakeup_is_lost(steps) -> None:
    async def play() -> None:
        bulkhead = Bulkhead(BulkheadSettings(3, queue=6), lambda: 0.0)
        inside, above, most = [0], [0], [6]
        tasks: list[asyncio.Task[None]] = []

        async def call(priority: Priority) -> None:
            await bulkhead.enter(priority)
            inside[0] += 1

        for action, priority, number in steps:
            if action == "enter":
                tasks.append(asyncio.create_task(call(priority)))
            elif action == "try":
                inside[0] += bulkhead.try_enter()
            elif action == "leave" and inside[0]:
                inside[0] -= 1
                bulkhead.leave()
            elif action == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            elif action == "limit":
                bulkhead.set_limit(1 + number % 4)
                above[0] = max(0, bulkhead.active - bulkhead.limit)
            elif action == "queue":
                bulkhead.reconfigure(BulkheadSettings(bulkhead.limit, queue=number % 7))
                most[0] = max(bulkhead.waiting, number % 7)
            else:
                await settle()
                assert inside[0] == bulkhead.active
            # Only a limit that was lowered may leave more inside, and then none are added.
            above[0] = min(above[0], max(0, bulkhead.active - bulkhead.limit))
            assert bulkhead.active <= bulkhead.limit + above[0]
            assert bulkhead.waiting <= most[0]
            assert not (bulkhead.waiting and bulkhead.active < bulkhead.limit)
        await settle()
        while inside[0]:
            inside[0] -= 1
            bulkhead.leave()
            await settle()
        assert (bulkhead.active, bulkhead.waiting) == (0, 0)
        assert all(task.done() for task in tasks)
        for task in tasks:
            assert task.cancelled() or task.exception() is None or isinstance(task.exception(), BrokerError)

    asyncio.run(play())
