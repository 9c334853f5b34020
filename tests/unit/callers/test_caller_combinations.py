"""Several callers on a route are alternatives, several in an all_of hold together; what takes time comes last."""

import time
from collections.abc import Callable

import pytest

from broker.callers.all_of import AllOfCheck
from broker.callers.authenticate import any_of
from broker.callers.slowing import Slowing, SlowingSettings
from broker.callers.verdict import ADMITTED, Finding, Later, Verdict
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange
from broker.core.secret import SecretUnavailable

Call = Callable[..., Exchange]
ABSENT = Verdict(Finding.ABSENT, ("A",), "Nothing came.")
WRONG = Verdict(Finding.WRONG, ("W",), "That was wrong.")
FORBIDDEN = Verdict(Finding.FORBIDDEN, ("F",), "You may not.")
OUTSIDE = Verdict(Finding.ABSENT, reason="Not from there.")
UNKNOWN = Verdict(Finding.UNKNOWN, error=BrokerError("caller_unverifiable"))


class Fixed:
    """A check that says what it is told to, at once or later, and notes that it was asked."""

    consumed = consumed_query = guarded = frozenset[bytes]()

    def __init__(self, verdict: Verdict, cost: int = 0, asked: list[Verdict] | None = None) -> None:
        self.verdict = verdict
        self.cost = cost
        self.asked = [] if asked is None else asked

    def judge(self, exchange: Exchange) -> Verdict | Later:
        if self.cost:
            return self._later
        self.asked.append(self.verdict)
        return self.verdict

    async def _later(self) -> Verdict:
        self.asked.append(self.verdict)
        return self.verdict

    def close(self) -> None: ...


async def told(call: Call, *checks: Fixed, slowing: Slowing | None = None) -> BrokerError:
    authenticate = any_of([(str(index), check) for index, check in enumerate(checks)], slowing)

    async def settle() -> str:
        found = authenticate(call())
        return found if isinstance(found, str) else await found

    with pytest.raises(BrokerError) as caught:
        await settle()
    return caught.value


@pytest.mark.parametrize(
    ("verdicts", "code", "challenges", "detail"),
    [
        ([ABSENT, WRONG], "caller_unauthenticated", ["A", "W"], "That was wrong."),
        ([ABSENT, OUTSIDE], "caller_unauthenticated", ["A"], "Nothing came. Not from there."),
        ([OUTSIDE], "caller_forbidden", [], "Not from there."),
        ([ABSENT, FORBIDDEN, WRONG], "caller_forbidden", ["F"], "You may not."),
        ([WRONG, UNKNOWN], "caller_unverifiable", [], None),
        ([FORBIDDEN, UNKNOWN], "caller_forbidden", ["F"], "You may not."),
    ],
)
@pytest.mark.parametrize("cost", [0, 1])
async def test_what_a_stranger_is_told(
    call: Call, verdicts: list[Verdict], code: str, challenges: list[str], detail: str | None, cost: int
) -> None:
    error = await told(call, *(Fixed(verdict, cost) for verdict in verdicts))
    assert error.code == code
    assert [value for _, value in error.headers] == challenges
    assert detail is None or error.detail == detail


async def test_what_takes_time_is_asked_only_when_nothing_else_holds(call: Call) -> None:
    slow = Fixed(ADMITTED, 2)
    assert any_of([("slow", slow), ("quick", Fixed(ADMITTED))])(call()) == "quick"
    assert slow.asked == []
    asked: list[Verdict] = []
    checks = [("body", Fixed(ADMITTED, 2, asked)), ("keys", Fixed(WRONG, 1, asked)), ("head", Fixed(ABSENT, 0, asked))]
    found = any_of(checks)(call())
    assert not isinstance(found, str)
    assert await found == "body"
    assert asked == [ABSENT, WRONG, ADMITTED]


async def test_parts_hold_together_the_cheap_ones_first(call: Call) -> None:
    asked: list[Verdict] = []

    def all_of(*parts: tuple[Verdict, int]) -> AllOfCheck:
        asked.clear()
        return AllOfCheck([Fixed(verdict, cost, asked) for verdict, cost in parts])

    async def judge(check: AllOfCheck) -> Verdict:
        verdict = check.judge(call())
        return verdict if isinstance(verdict, Verdict) else await verdict()

    assert await judge(all_of((ADMITTED, 2), (ADMITTED, 1), (ADMITTED, 0))) is ADMITTED
    assert len(asked) == 3
    assert await judge(all_of((ADMITTED, 2), (WRONG, 1), (ADMITTED, 0))) is WRONG
    assert asked == [ADMITTED, WRONG]
    assert await judge(all_of((ADMITTED, 2), (OUTSIDE, 0))) is OUTSIDE
    assert asked == [OUTSIDE]
    assert all_of((ADMITTED, 2), (ADMITTED, 0)).cost == 2


class Broken(Fixed):
    """A check whose secret is not there."""

    def judge(self, exchange: Exchange) -> Verdict | Later:
        if not self.cost:
            raise SecretUnavailable("env:K: is not set")
        return self._gone

    async def _gone(self) -> Verdict:
        raise SecretUnavailable("env:K: is not set")


@pytest.mark.parametrize("cost", [0, 1])
async def test_a_secret_that_is_not_there_keeps_only_its_own_caller_out(call: Call, cost: int) -> None:
    error = await told(call, Broken(ADMITTED, cost))
    assert (error.code, error.cause) == ("caller_unverifiable", "env:K: is not set")
    found = any_of([("broken", Broken(ADMITTED, cost)), ("other", Fixed(ADMITTED))])(call())
    assert found == "other"


@pytest.mark.parametrize(("verdict", "slowed"), [(WRONG, True), (FORBIDDEN, True), (ABSENT, False), (UNKNOWN, False)])
@pytest.mark.parametrize("cost", [0, 1])
async def test_only_wrong_proofs_are_slowed(call: Call, verdict: Verdict, slowed: bool, cost: int) -> None:
    slowing = Slowing(SlowingSettings(after=0, delay=0.05, most=0.05, forget=60.0, addresses=10))
    began = time.monotonic()
    await told(call, Fixed(verdict, cost), slowing=slowing)
    assert (time.monotonic() - began >= 0.05) is slowed
    assert len(slowing) == slowed
