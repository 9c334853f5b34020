"""Asks hellos of one server and does not take a lost connection for an opinion."""

from broker.probe.budget import Budget
from broker.probe.findings import Findings
from broker.probe.hello import Hello
from broker.probe.wire import Kind, Place, Reply, ask

_ANSWERED = frozenset({Kind.HELLO, Kind.ALERT, Kind.SSLV2, Kind.FOREIGN, Kind.MALFORMED})


class StoppedAnswering(Exception):
    """A hello that was answered before is answered no more, after a rest either."""


class Asker:
    """Questions to one address. `known` is a hello that was answered: the measure for all others."""

    def __init__(self, place: Place, budget: Budget, findings: Findings) -> None:
        self.place = place
        self.budget = budget
        self.known: Hello | None = None
        self._findings = findings

    async def once(self, hello: Hello, *, whole: bool = False) -> Reply:
        """Ask, and take what comes."""
        reply = await ask(self.place, self.budget, hello.encode(), whole=whole)
        if reply.kind is Kind.HELLO:
            self.budget.heard(reply.seconds)
        return reply

    async def ask(self, hello: Hello, *, whole: bool = False) -> Reply:
        """Ask, and ask again where a connection was lost: what fails twice between two good hellos is disliked.

        Raises `StoppedAnswering`, and `BudgetSpent`.
        """
        reply = await self.once(hello, whole=whole)
        if self.known is None or reply.kind in _ANSWERED:
            return reply
        if await self._reassure() and reply.kind is Kind.SILENT:
            # The network repeats what it lost: a server that says nothing here, and speaks there, means it.
            return reply
        again = await self.once(hello, whole=whole)
        if again.kind in _ANSWERED:
            self._findings.note("drops some connections for no reason of TLS: each surprise was asked twice")
            return again
        await self._reassure()
        return again

    async def _reassure(self) -> bool:
        """The known hello has to be answered; where it is not at once, the server is probed slower."""
        assert self.known is not None  # noqa: S101 - callers have looked
        if (await self.once(self.known)).kind in _ANSWERED:
            return True
        opened = self.budget.opened - 1
        self._findings.note(f"stops answering after {opened} connections at this pace: probed slower")
        self.budget.slow_down()
        for _ in range(3):
            await self.budget.rest()
            if (await self.once(self.known)).kind in _ANSWERED:
                return False
        raise StoppedAnswering
