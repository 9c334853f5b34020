"""What a reload took out of use: it goes when nothing needs it any more, and no sooner."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from broker.collector import Tidy
from broker.compile_carry import pools_of
from broker.compiled import Compiled
from broker.listener.listener import Listener
from broker.secretstore.store import SecretStore

_MOMENT: Final = 5.0


class Leaving:
    """Listeners, pools, tokens, checks and stores of secrets on their way out."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidy = Tidy()

    def listener(self, listener: Listener, seconds: float) -> None:
        """It accepts no more; its calls have `seconds`."""
        self.listeners.add(listener)
        listener.drain()
        self._begin(self._drained(listener, seconds))

    def plan(
        self, old: Compiled, new: Compiled, store: SecretStore | None, calls: Iterable[asyncio.Task[None]]
    ) -> None:
        """What `old` has and `new` has not; `store`: its secrets where `new` has others. `calls` may use them yet."""
        for pool in pools_of(old.upstreams) - pools_of(new.upstreams):
            # Connections that are busy close when their calls end.
            pool.close()
        for name in old.upstreams.keys() - new.upstreams.keys():
            checks = old.upstreams[name].checks
            if checks is not None:
                checks.close()
        self._begin(self._unused(old, new, store, set(calls)))

    async def finish(self) -> None:
        """Wait for them, but not for long: the broker stops."""
        self._tidy.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_MOMENT)
        for task in self._tasks:
            task.cancel()
        self._tidy.cancel()

    async def _drained(self, listener: Listener, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(seconds, 0.05)):
                await listener.drained()
        except TimeoutError:
            await listener.cut_off()
            await listener.drained()
        self.listeners.discard(listener)
        self._tidy.soon()

    async def _unused(
        self, old: Compiled, new: Compiled, store: SecretStore | None, calls: set[asyncio.Task[None]]
    ) -> None:
        if calls:
            await asyncio.wait(calls)
        # Those of them whose callers have left go on alone, and use what they began with.
        alone = old.idempotency_keys.alone.tasks()
        if alone:
            await asyncio.wait(alone)
        kept = {id(check) for check in new.checks.values()}
        for check in old.checks.values():
            if id(check) not in kept:
                check.close()
        await old.tokens.close_others(new.tokens)
        await end_sharing(old, new)
        if store is not None:
            await store.close()
        self._tidy.soon()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def end_sharing(old: Compiled, new: Compiled) -> None:
    """Let go of the store of limits that `old` shares, where `new` has another or none."""
    shared = old.registry.shared
    if shared is not None and shared is not new.registry.shared:
        await shared.close()
