"""What the store asks of a provider of secrets."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Protocol, TypeVar

from broker.core.secret import Secret, SecretUnavailable

_T = TypeVar("_T")
_MOMENT: Final = 1.0


class ProviderDown(SecretUnavailable):
    """The provider as a whole does not answer or refuses the login: no reference of it can be resolved now."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was found at a place."""

    values: Mapping[str, Secret] = field(repr=False)
    """By key; under `""` where a place holds one value only."""
    within: float = inf
    """The provider has to be asked again within so many seconds, or something runs out."""
    leased: bool = False
    """Whether it must not be asked much sooner: each look-up makes a secret of its own."""


class Provider(Protocol):
    """One kind of place for secrets. Secrets that stand at one place come in one answer, so that they fit together."""

    def split(self, rest: str) -> tuple[str, str]:
        """The place and the key in what follows the scheme of a reference."""

    async def fetch(self, place: str, *, fresh: bool) -> Fetched:
        """Ask; `fresh`: what was given out before turned out to be stale. Raises `SecretUnavailable`."""

    async def close(self) -> None:
        """Let go of connections and threads."""


class Threads:
    """Threads of a provider's own: one that hangs does not take those that look up host names."""

    def __init__(self, name: str, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"secrets-{name}")
        self._busy: set[Future[Any]] = set()

    async def run(self, function: Callable[[], _T]) -> _T:
        """What `function` returns, without holding up the event loop."""
        future = self._pool.submit(function)
        self._busy.add(future)
        future.add_done_callback(self._busy.discard)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Start nothing any more, and give what is under way a moment; after that it ends by its own timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        ending = [asyncio.wrap_future(future) for future in tuple(self._busy)]
        if ending:
            await asyncio.wait(ending, timeout=_MOMENT)
        for future in ending:
            if future.done() and not future.cancelled():
                # Nobody asks for it any more; unasked, its error would be reported.
                future.exception()
