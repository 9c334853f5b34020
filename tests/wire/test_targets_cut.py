"""A target that swallows connections is found out even where the calls end before they are given up."""

import asyncio

from blackhole import blackhole
from rig import GET, serving
from several import code

from broker.policy.breaker_settings import State

SOON = 20.0
BREAKER = {"circuit_breaker": {"failures": 2}}


async def test_a_deadline_that_passes_before_there_is_a_connection_counts() -> None:
    with blackhole() as (listening, _):
        upstream = {"targets": [f"http://127.0.0.1:{listening.getsockname()[1]}"], **BREAKER}
        async with asyncio.timeout(SOON), serving(b"", upstream=upstream, route={"deadline": "150ms"}) as rig:
            codes = [code(await rig.call())[1] for _ in range(3)]
    assert codes == [b"upstream_timeout", b"upstream_timeout", b"circuit_open"]


async def test_a_caller_that_leaves_before_there_is_a_connection_does_not() -> None:
    with blackhole() as (listening, _):
        upstream = {"targets": [f"http://127.0.0.1:{listening.getsockname()[1]}"], **BREAKER}
        async with asyncio.timeout(SOON), serving(b"", upstream=upstream) as rig:
            made = rig.app._compiled.upstreams["back"]  # type: ignore[union-attr]
            for _ in range(3):
                async with rig.caller() as caller:
                    await caller.send(GET)
                    while not made.pools[0].load:
                        await asyncio.sleep(0.01)
                while made.pools[0].load:
                    await asyncio.sleep(0.01)
            assert list(made.circuits().values()) == [State.CLOSED]
