"""Stores at the pace of tests, and waiting for what they do in the background."""

import asyncio
from collections.abc import Callable
from typing import Any

from broker.config.model import Secrets
from broker.config.secret_ref import SecretRef
from broker.core.secret import Secret
from broker.secretstore.feed import Pace
from broker.secretstore.store import SecretStore

QUICK: dict[str, Any] = {
    "refresh": 0.1,
    "timeout": 5,
    "renew_gap": 0.2,
    "retry": 0.05,
    "retry_most": 0.1,
    "poll": 0.02,
    "settle": 0.05,
}


class Watched(SecretStore):
    """A store that remembers which values it told of."""

    told: list[tuple[bytes, bytes | None]]


MakeStore = Callable[..., Watched]


def watched(settings: dict[str, Any], pace: dict[str, Any]) -> Watched:
    """A store with these settings and this pace."""
    told: list[tuple[bytes, bytes | None]] = []

    def note(new: Secret, old: Secret | None) -> None:
        told.append((new.reveal(), None if old is None else old.reveal()))

    store = Watched(Secrets.model_validate(settings), note, Pace(**{**QUICK, **pace}))
    store.told = told
    return store


def ref(text: str) -> SecretRef:
    return SecretRef.parse(text)


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Return when `holds` does; fails when it does not in time."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)
