"""A breaker changes its state exactly when a naive one does, that counts everything again each time."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.breaker_settings import BreakerSettings, State
from broker.policy.window import STEPS

OPEN_FOR, WINDOW = 10.0, 20.0


class BreakerModel(RuleBasedStateMachine):
    """Beside a naive breaker, that keeps every event and counts again each time."""

    FAILURES, SHARE, CALLS, PROBES = 4, 0.6, 6, 2

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.breaker = CircuitBreaker(
            BreakerSettings(self.FAILURES, self.SHARE, WINDOW, self.CALLS, OPEN_FOR, probes=self.PROBES, patience=1e9),
            lambda: self.now,
        )
        self.state, self.era, self.until = State.CLOSED, 0, 0.0
        self.events: list[tuple[int, bool]] = []
        self.row: list[bool] = []
        self.probing = self.proved = 0
        self.open_permits: list[tuple[Permit, int]] = []

    def step(self) -> int:
        return int(self.now // (WINDOW / STEPS))

    def change(self, state: State) -> None:
        self.state, self.era = state, self.era + 1
        self.events, self.row, self.probing, self.proved = [], [], 0, 0
        if state is State.OPEN:
            self.until = self.now + OPEN_FOR

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, OPEN_FOR, WINDOW]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def admit(self) -> None:
        answer = self.breaker.admit()
        if self.state is State.OPEN and self.now >= self.until:
            self.change(State.HALF_OPEN)
        admitted = self.state is State.CLOSED or (
            self.state is State.HALF_OPEN and self.probing + self.proved < self.PROBES
        )
        assert isinstance(answer, Permit) is admitted
        if admitted:
            self.probing += self.state is State.HALF_OPEN
            self.open_permits.append((answer, self.era))
        else:
            assert answer > 0

    @precondition(lambda self: self.open_permits)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failure", "failure", "ignored", "drop"]))
    def end(self, data, outcome: str) -> None:
        permit, era = self.open_permits.pop(data.draw(st.integers(0, len(self.open_permits) - 1)))
        if outcome != "drop":
            getattr(permit, outcome)()
            permit.failure()
        del permit
        if era != self.era:
            return
        if self.state is State.HALF_OPEN:
            self.probing -= 1
            self.proved += outcome == "success"
            if outcome == "failure":
                self.change(State.OPEN)
            elif self.proved == self.PROBES:
                self.change(State.CLOSED)
        elif outcome in ("success", "failure"):
            failed = outcome == "failure"
            self.events.append((self.step(), failed))
            self.row.append(failed)
            recent = [bad for step, bad in self.events if step > self.step() - STEPS]
            in_a_row = len(self.row) >= self.FAILURES and all(self.row[-self.FAILURES :])
            share = len(recent) >= self.CALLS and sum(recent) >= self.SHARE * len(recent)
            if failed and (in_a_row or share):
                self.change(State.OPEN)

    @invariant()
    def same_state(self) -> None:
        assert self.breaker.state is self.state

    @invariant()
    def time_opens_the_way(self) -> None:
        if self.state is State.OPEN:
            assert self.breaker.left() == pytest.approx(max(0.0, self.until - self.now))


TestBreakerModel = BreakerModel.TestCase
TestBreakerModel.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
