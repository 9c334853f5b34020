"""An issuer of tokens for each test."""

from collections.abc import AsyncIterator

import pytest

from broker.testing.issuer import Issuer


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with Issuer() as running:
        yield running
