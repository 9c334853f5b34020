"""Whoever watches over a target is told, asked and heeded, be it its health or its breaker."""

from typing import Any

import pytest

from broker.policy.breaker import CircuitBreaker
from broker.policy.breaker_settings import BreakerSettings
from broker.policy.health import Health, HealthSettings
from broker.policy.pause import Pauses, TargetPauses
from broker.upstream.targets import Endpoint, Targets


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """Two targets, each with both."""

    def __init__(self, eject_after: int, open_after: int, **times: Any) -> None:
        self.clock = Clock()
        health = HealthSettings(failures=eject_after, eject_for=times.get("eject_for", 30.0))
        breaker = BreakerSettings(failures=open_after, open_for=times.get("open_for", 30.0))
        self.ends = [
            Endpoint(at, name, health=Health(health, self.clock), breaker=CircuitBreaker(breaker, self.clock))
            for at, name in enumerate("ab")
        ]
        self.targets = Targets(self.ends, pauses=TargetPauses(Pauses(self.clock, self.clock), "u"))

    def told(self, outcome: str, without: int) -> None:
        """A call to one of them had this outcome; the other was not to be asked."""
        chosen = self.targets.choose(b"", [self.ends[without]], [])
        assert chosen is not None
        assert chosen.informed is not None
        getattr(chosen.informed, outcome)()

    def asked(self) -> bool:
        return self.targets.choose(b"", [], []) is not None


@pytest.mark.parametrize(("eject_after", "open_after"), [(1, 99), (99, 1)])
def test_both_are_told_of_a_failure(eject_after: int, open_after: int) -> None:
    watched = Watched(eject_after, open_after)
    for without in (0, 1):
        assert watched.asked()
        watched.told("failure", without)
    assert not watched.asked()
    assert watched.targets.refusal().code == "circuit_open"


@pytest.mark.parametrize(("eject_for", "open_for"), [(20.0, 5.0), (5.0, 20.0)])
def test_a_refusal_waits_for_both(eject_for: float, open_for: float) -> None:
    watched = Watched(1, 1, eject_for=eject_for, open_for=open_for)
    for without in (0, 1):
        watched.told("failure", without)
    assert dict(watched.targets.refusal().headers)["Retry-After"] == "20"


def test_a_probe_that_says_nothing_gives_its_place_back() -> None:
    watched = Watched(99, 1, open_for=5.0)
    watched.told("failure", 1)
    watched.clock.now += 5.0
    chosen = watched.targets.choose(b"", [watched.ends[1]], [])
    assert chosen is not None
    assert chosen.informed is not None
    assert watched.targets.choose(b"", [watched.ends[1]], []) is None
    chosen.informed.ignored()
    assert watched.targets.choose(b"", [watched.ends[1]], []) is not None


@pytest.mark.parametrize(("eject_after", "open_after"), [(1, 99), (99, 1)])
def test_one_that_cannot_be_asked_is_no_reason_not_to_wait_for_one_that_pauses(
    eject_after: int, open_after: int
) -> None:
    watched = Watched(eject_after, open_after)
    watched.targets.pause(0, b"7")
    assert watched.targets.pause_left() == 0.0
    watched.told("failure", 0)
    assert watched.targets.pause_left() == 7.0


def test_an_only_target_that_took_no_connection_is_not_asked_again_for_the_same_call() -> None:
    only = Endpoint(0, "a", breaker=CircuitBreaker(BreakerSettings(), Clock()))
    targets = Targets([only])
    assert targets.choose(b"", [], []) is not None
    assert targets.choose(b"", [only], []) is None
