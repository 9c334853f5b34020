"""Alarms ring once, never early, and cost nothing when moved."""

import asyncio
from time import monotonic

from broker.core.alarms import TICK, Alarm, AlarmWheel


async def test_an_alarm_rings_once_and_not_early() -> None:
    wheel, rang = AlarmWheel(asyncio.get_running_loop()), []
    due = monotonic() + TICK
    wheel.set(Alarm(lambda: rang.append(monotonic())), due)
    await asyncio.sleep(0.25)
    assert len(rang) == 1
    assert rang[0] >= due


async def test_a_cancelled_alarm_does_not_ring() -> None:
    wheel, rang = AlarmWheel(asyncio.get_running_loop()), []
    alarm = Alarm(lambda: rang.append(1))
    wheel.set(alarm, monotonic())
    alarm.cancel()
    await asyncio.sleep(0.15)
    assert not rang


async def test_an_alarm_can_be_moved_both_ways() -> None:
    wheel, rang = AlarmWheel(asyncio.get_running_loop()), []
    later, earlier = Alarm(lambda: rang.append("later")), Alarm(lambda: rang.append("earlier"))
    wheel.set(later, monotonic())
    wheel.set(later, monotonic() + 60)
    wheel.set(earlier, monotonic() + 60)
    wheel.set(earlier, monotonic())
    await asyncio.sleep(0.15)
    wheel.close()
    assert rang == ["earlier"]


async def test_an_alarm_can_be_set_again_by_its_own_callback() -> None:
    wheel, rang = AlarmWheel(asyncio.get_running_loop()), []

    def ring() -> None:
        rang.append(1)
        if len(rang) < 3:
            wheel.set(alarm, monotonic())

    alarm = Alarm(ring)
    wheel.set(alarm, monotonic())
    await asyncio.sleep(0.4)
    assert len(rang) == 3


async def test_a_closed_wheel_is_silent() -> None:
    wheel, rang = AlarmWheel(asyncio.get_running_loop()), []
    wheel.set(Alarm(lambda: rang.append(1)), monotonic())
    wheel.close()
    await asyncio.sleep(0.15)
    assert not rang
