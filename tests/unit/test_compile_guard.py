"""What protects an upstream is put together at the start: what cannot be is a fault of the file, with its place."""

import asyncio
from pathlib import Path

import pytest

import broker.compile
from broker.compile import CompileError, compile_config
from broker.config.load import load
from broker.core.alarms import AlarmWheel
from broker.policy.health import HealthSettings


async def test_settings_that_only_the_compiler_finds_at_odds_are_a_fault_with_a_place(
    unit_routes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contradicts(*_: object) -> None:
        HealthSettings(rise=0)

    monkeypatch.setattr(broker.compile, "guard", contradicts)
    with pytest.raises(CompileError) as caught:
        compile_config(load(unit_routes), AlarmWheel(asyncio.get_running_loop()))
    assert caught.value.reasons == ["upstreams.warehouse: rise and fall of a check are at least 1, failures at least 0"]
    assert [problem.loc for problem in caught.value.problems] == [("upstreams", "warehouse")]
