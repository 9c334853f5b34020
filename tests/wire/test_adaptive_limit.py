"""A limit that finds itself, over real sockets."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import aiohttp
import pytest
import yaml
from adaptive import SOON, Service, bulkhead
from rig import GET, Rig, serving

from broker.policy.adaptive_settings import AdaptiveSettings

ADAPTIVE: Any = {"adaptive_concurrency": {"least": 2, "most": 6, "tolerance": "100%"}, "queue": {}}


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit changes after fewer calls than it would."""
    monkeypatch.setattr("broker.compile_policy.AdaptiveSettings", partial(AdaptiveSettings, window=0.05, calls=6))


async def demand(rig: Rig, callers: int, stack: AsyncExitStack) -> None:
    """So many callers that call again and again until the end."""

    async def call() -> None:
        async with rig.caller() as caller:
            while True:
                await caller.send(GET)
                await caller.recv_response()

    for _ in range(callers):
        task = asyncio.create_task(call())
        stack.push_async_callback(asyncio.gather, task, return_exceptions=True)
        stack.callback(task.cancel)


@pytest.mark.usefixtures("quickly")
async def test_it_grows_while_the_service_copes_and_shrinks_when_it_does_not() -> None:
    service = Service(0.02)
    async with (
        asyncio.timeout(SOON),
        serving(service, upstream=ADAPTIVE) as rig,
        AsyncExitStack() as on,
    ):
        place = bulkhead(rig)
        assert place.limit == 2
        await demand(rig, 8, on)
        while place.limit < 6:
            await asyncio.sleep(0.01)
        service.seconds = 0.3
        while place.limit > 3:
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("quickly")
async def test_a_reload_with_the_same_settings_goes_on_with_what_was_found_out() -> None:
    async with asyncio.timeout(SOON), serving(Service(0.02), upstream=ADAPTIVE) as rig:
        place = bulkhead(rig)
        async with AsyncExitStack() as on:
            await demand(rig, 8, on)
            while place.limit < 4:
                await asyncio.sleep(0.01)
        found = place.limit
        await reload(rig, timeouts={"connect": "4s"})
        assert bulkhead(rig) is place
        host, port = rig.app.admin.address  # type: ignore[union-attr]
        async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/metrics") as answer:
            assert f'broker_upstream_concurrency_limit{{upstream="back"}} {found:.1f}' in await answer.text()
        await reload(rig, adaptive_concurrency={"most": 7})
        # Those who are in count, and the limit is found out anew.
        assert bulkhead(rig) is place
        assert place.limit == 2


async def reload(rig: Rig, **changes: Any) -> None:
    path = rig.app._path
    content = yaml.safe_load(path.read_text())
    content["upstreams"]["back"] |= changes
    path.write_text(yaml.safe_dump(content))
    assert (await rig.app.reload("test")).outcome == "success"
