"""What HTTP calls show that harm nobody: GET, HEAD and OPTIONS, a handful of connections."""

from dataclasses import dataclass
from typing import Final

from broker.core.message import Line
from broker.probe.address import Address
from broker.probe.answers import Answer, is_wsdl, read_answer
from broker.probe.budget import Budget
from broker.probe.call import usual_lines
from broker.probe.findings import Findings, HttpFacts
from broker.probe.tap import Tap, tapped
from broker.probe.wire import Place
from broker.upstream.origin import Origin

_REFUSES_CHUNKS: Final = (400, 411, 501, 505)


@dataclass(slots=True)
class HttpProbe:
    """Questions about HTTP to one endpoint."""

    place: Place
    origin: Origin
    address: Address
    budget: Budget
    findings: Findings
    method: bytes = b"OPTIONS"
    """What is sent with a body: `POST` only where the operator allowed it."""

    async def run(self) -> HttpFacts:
        """Ask everything. Raises `BudgetSpent`; what was found so far is in the findings then."""
        facts = self.findings.http = self.findings.http or HttpFacts()
        for question in (self._get, self._again, self._wsdl, self._expect, self._chunked):
            try:
                await question(facts)
            except (OSError, TimeoutError):
                continue
        return facts

    def head(self, method: bytes, *more: Line, query: str = "") -> bytes:
        """A request's head."""
        target = (self.address.path.partition("?")[0] + query) if query else self.address.path
        lines = [*usual_lines(self.address, []), *more]
        text = b"".join(b"%b: %b\r\n" % line for line in lines)
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target.encode(), text)

    @property
    def patience(self) -> float:
        """Seconds for one answer."""
        return min(self.budget.timeout, self.budget.left)

    async def _get(self, facts: HttpFacts) -> None:
        async with tapped(self.place, self.origin, self.budget) as tap:
            data = await tap.ask(self.head(b"GET"), self.patience)
            answer = read_answer(data)
            if answer is None:
                return
            _describe(facts, answer)
            facts.keep_alive = await self._is_kept(tap, answer)

    async def _is_kept(self, tap: Tap, answer: Answer) -> bool:
        if tap.over:
            if answer.promises_more:
                self.findings.note("says that it keeps connections, and closes them")
            return False
        if not answer.promises_more:
            return False
        return read_answer(await tap.ask(self.head(b"HEAD"), self.patience, bodyless=True)) is not None

    async def _again(self, facts: HttpFacts) -> None:
        """A second connection resumes the TLS session of the first."""
        if self.origin.tls is None:
            return
        async with tapped(self.place, self.origin, self.budget) as tap:
            if tap.engine is not None:
                self.findings.resumed = tap.engine.resumed()
            await tap.ask(self.head(b"HEAD", (b"Connection", b"close")), self.patience, bodyless=True)

    async def _wsdl(self, facts: HttpFacts) -> None:
        async with tapped(self.place, self.origin, self.budget) as tap:
            answer = read_answer(
                await tap.ask(self.head(b"GET", (b"Connection", b"close"), query="?wsdl"), self.patience)
            )
        facts.wsdl = f"{self.address.path.partition('?')[0]}?wsdl" if is_wsdl(answer) else ""

    async def _expect(self, facts: HttpFacts) -> None:
        async with tapped(self.place, self.origin, self.budget) as tap:
            tap.send(self.head(self.method, (b"Content-Length", b"1"), (b"Expect", b"100-continue")))
            await tap.wait_for(b"\n", min(2.0, self.patience))
            first = read_status(tap.data)
            if first is None:
                facts.expect_continue = (
                    "closes the connection" if tap.over else "says nothing: the body has to come unasked"
                )
            elif first == 100:
                facts.expect_continue = "sends 100 Continue"
            else:
                facts.expect_continue = f"answers {first} at once"

    async def _chunked(self, facts: HttpFacts) -> None:
        close = (b"Connection", b"close")
        async with tapped(self.place, self.origin, self.budget) as tap:
            request = self.head(self.method, (b"Transfer-Encoding", b"chunked"), close) + b"1\r\n \r\n0\r\n\r\n"
            answer = read_answer(await tap.ask(request, self.patience))
            over = tap.over
        async with tapped(self.place, self.origin, self.budget) as tap:
            plain = read_answer(
                await tap.ask(self.head(self.method, (b"Content-Length", b"1"), close) + b" ", self.patience)
            )
        facts.chunked = _compared(answer, plain, closed=over)


def read_status(data: bytes) -> int | None:
    """The status of whatever answer comes first, interim or final."""
    words = data.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1][:3].isdigit():
        return None
    return int(words[1][:3])


def _describe(facts: HttpFacts, answer: Answer) -> None:
    facts.status, facts.reason, facts.version = answer.status, answer.reason, answer.version
    facts.server = ", ".join(answer.values("server") + answer.values("x-powered-by"))
    facts.challenges = answer.challenges


def _compared(answer: Answer | None, plain: Answer | None, *, closed: bool) -> str:
    if plain is None:
        return ""
    if answer is None:
        return "not taken: it closes the connection" if closed else "not taken: it does not answer"
    if answer.status == plain.status:
        return "taken" if answer.status < 400 else f"not to be told: {answer.status} with and without"
    if answer.status in _REFUSES_CHUNKS:
        return f"not taken: {answer.status}"
    return f"answered {answer.status}, with a length {plain.status}"
