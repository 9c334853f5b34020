"""What `check` says of references: whether their providers are here, and with `--resolve` whether they answer."""

import asyncio
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import Secrets
from broker.config.secret_ref import SecretRef
from broker.config.secret_walk import references_of
from broker.core.secret import SecretUnavailable
from broker.secretstore.build import no_provider
from broker.secretstore.extras import what_to_install
from broker.secretstore.store import SecretStore

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PATIENCE: Final = 60.0


def provider_settings(draft: Draft) -> Iterator[Problem]:
    """References whose provider lacks its library or its settings."""
    if draft.secrets is None:
        return
    for loc, reference in references_of(draft):
        reason = _unusable(reference, draft.secrets)
        if reason:
            yield Problem(loc, f"{reference.scheme}: {reason}")
    vault = draft.secrets.vault
    if vault is not None and vault.address.startswith("http:") and urlsplit(vault.address).hostname not in _HERE:
        yield warning(("secrets", "vault", "address"), "tokens and secrets cross the network in clear; use https://")


def resolved(draft: Draft) -> Iterator[Problem]:
    """References that cannot be resolved now, and why."""
    if draft.secrets is None:
        return
    found = [(loc, one) for loc, one in references_of(draft) if not _unusable(one, draft.secrets)]
    yield from asyncio.run(_look_up(draft.secrets, found))


async def _look_up(config: Secrets, found: list[tuple[Loc, SecretRef]]) -> list[Problem]:
    store = SecretStore(config)
    problems: list[Problem] = []
    try:
        await store.start((reference for _, reference in found), patience=_PATIENCE)
        for loc, reference in found:
            try:
                store.resolve(reference)
            except SecretUnavailable as error:
                problems.append(Problem(loc, str(error)))
    finally:
        await store.close()
    return problems


def _unusable(reference: SecretRef, config: Secrets) -> str:
    command = what_to_install(reference.scheme)
    if command is not None:
        return f"needs {command}"
    return no_provider("vault") if reference.scheme == "vault" and config.vault is None else ""
