"""A breaker opens on failures, tries again with a few calls, and nothing wedges it."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from broker.core.errors import BrokerError
from broker.policy.breaker import CircuitBreaker, Permit
from broker.policy.breaker_settings import BreakerSettings, State
from broker.policy.window import STEPS

OPEN_FOR, WINDOW = 10.0, 20.0


def make(clock, changes: list | None = None, random: float = 0.0, **more) -> CircuitBreaker:
    note = (lambda old, new, why: changes.append((old.label, new.label, why))) if changes is not None else None
    return CircuitBreaker(BreakerSettings(**{"open_for": OPEN_FOR, **more}), clock, note, lambda: random)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        permit = breaker.admit()
        assert isinstance(permit, Permit)
        permit.failure()


def test_failures_in_a_row_open_it_and_a_probe_closes_it(clock) -> None:
    changes: list = []
    breaker = make(clock, changes, failures=3)
    assert breaker.left() == 0.0
    fail(breaker, 2)
    breaker.admit().success()
    fail(breaker, 3)
    assert breaker.state is State.OPEN
    assert breaker.admit() == pytest.approx(OPEN_FOR)
    clock.now += 4
    assert breaker.admit() == pytest.approx(6)
    clock.now += 6
    probe = breaker.admit()
    assert isinstance(probe, Permit)
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit() > 0
    probe.success()
    assert breaker.state is State.CLOSED
    assert [change[:2] for change in changes] == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert changes[0][2] == "3 failures in a row"


def test_a_share_of_failures_opens_it_once_there_were_enough_calls(clock) -> None:
    breaker = make(clock, failures=0, share=0.5, calls=10, window=WINDOW)
    fail(breaker, 9)
    clock.now += WINDOW * 2
    for _ in range(5):
        breaker.admit().success()
    fail(breaker, 4)
    assert breaker.state is State.CLOSED
    fail(breaker)
    assert breaker.state is State.OPEN


def test_the_time_grows_with_each_failed_probe_up_to_a_most_and_shrinks_after_success(clock) -> None:
    breaker = make(clock, failures=1, growth=2.0, open_most=30.0)
    fail(breaker)
    for expected in (10, 20, 30, 30):
        assert breaker.admit() == pytest.approx(expected)
        clock.now += expected
        fail(breaker)
    clock.now += 30
    breaker.admit().success()
    fail(breaker)
    assert breaker.admit() == pytest.approx(10)


def test_jitter_prolongs(clock) -> None:
    breaker = make(clock, failures=1, jitter=0.5, random=0.5)
    fail(breaker)
    assert breaker.admit() == pytest.approx(12.5)


def test_all_probes_have_to_succeed(clock) -> None:
    breaker = make(clock, failures=1, probes=2)
    fail(breaker)
    clock.now += OPEN_FOR
    first, second = breaker.admit(), breaker.admit()
    assert isinstance(breaker.admit(), float)
    first.success()
    assert isinstance(breaker.admit(), float)
    second.success()
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("how", ["drop", "ignore", "cancel", "lose"])
def test_a_probe_without_an_outcome_never_wedges_it(clock, how: str) -> None:
    breaker = make(clock, failures=1, patience=50.0)
    fail(breaker)
    clock.now += OPEN_FOR
    probe = breaker.admit()
    if how == "drop":
        del probe
    elif how == "ignore":
        probe.ignored()
    elif how == "cancel":
        with pytest.raises(asyncio.CancelledError), probe:
            raise asyncio.CancelledError
    else:
        assert breaker.admit() == pytest.approx(OPEN_FOR)
        clock.now += 45
        assert breaker.admit() == pytest.approx(5)
        clock.now += 5
    another = breaker.admit()
    assert isinstance(another, Permit)
    if how == "lose":
        probe.failure()
    assert breaker.state is State.HALF_OPEN
    another.success()
    assert breaker.state is State.CLOSED


def test_a_late_outcome_of_an_earlier_state_has_no_say(clock) -> None:
    breaker = make(clock, failures=1)
    late = [breaker.admit() for _ in range(3)]
    fail(breaker)
    clock.now += OPEN_FOR
    probe = breaker.admit()
    late[0].success()
    late[1].failure()
    late[2].ignored()
    assert breaker.state is State.HALF_OPEN
    probe.success()
    assert breaker.state is State.CLOSED


def test_as_a_context_the_first_outcome_counts(clock) -> None:
    breaker = make(clock, failures=1)
    with breaker.admit():
        pass
    with pytest.raises(BrokerError), breaker.admit():
        raise BrokerError("body_too_large")
    with breaker.admit() as permit:
        permit.ignored()
        permit.failure()
    assert breaker.state is State.CLOSED
    with pytest.raises(BrokerError), breaker.admit():
        raise BrokerError("upstream_timeout")
    assert breaker.state is State.OPEN


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"share": 1.1}, {"probes": 0}, {"open_for": 0}, {"growth": 0.5}, {"jitter": -1}, {"window": 0}],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError):
        BreakerSettings(**wrong)


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
