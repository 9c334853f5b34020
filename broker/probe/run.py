"""The probe: reach it, ask it, find the settings, look at its HTTP, say what was found."""

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from broker.probe import chain, verdict
from broker.probe.asker import Asker, StoppedAnswering
from broker.probe.budget import Budget, BudgetSpent
from broker.probe.call import configured
from broker.probe.candidate import Candidate
from broker.probe.findings import Findings
from broker.probe.greeting import Greeting, greet
from broker.probe.http import HttpProbe
from broker.probe.intolerance import find_intolerances, find_sni
from broker.probe.leaf import find_leaf
from broker.probe.mend import mend, without_chunks
from broker.probe.protocols import find_suites, find_versions, learn
from broker.probe.search import Found, Request, Search
from broker.probe.style import find_style
from broker.probe.wire import Kind, Place, resolve
from broker.upstream.origin import Origin

_ASKING: Final = 0.55
"""Of the time: the rest is for finding settings that work."""
_DEAD: Final = frozenset({Kind.REFUSED, Kind.UNREACHABLE})

Progress = Callable[[str], None]


@dataclass(slots=True)
class Result:
    """What the probe has to say."""

    request: Request
    findings: Findings = field(default_factory=Findings)
    verdict: str = ""
    candidate: Candidate | None = None
    """The settings that work; None where none were found."""
    connections: int = 0
    seconds: float = 0.0


async def probe(request: Request, budget: Budget, progress: Progress, *, post: bool = False) -> Result:
    """Probe one endpoint; always ends within the budget, and never raises for what an endpoint does."""
    run = _Run(request, budget, progress, post=post)
    try:
        async with asyncio.timeout(budget.left):
            await run.all()
    except (TimeoutError, BudgetSpent):
        run.give_up()
    run.result.connections, run.result.seconds = budget.opened, budget.spent
    return run.result


class _Run:
    def __init__(self, request: Request, budget: Budget, progress: Progress, *, post: bool) -> None:
        self.request = request
        self.budget = budget
        self.say = progress
        self.post = post
        self.findings = Findings()
        self.result = Result(request, self.findings)
        self.search = Search(request, budget, self.findings)

    def give_up(self) -> None:
        """The budget is spent: what was found so far has to do."""
        self.findings.note("the budget was spent before everything was asked")
        if not self.result.verdict:
            spent = "the budget was spent before settings were found: give it more with --budget"
            self.result.verdict = verdict.no_settings(self.findings, self.search.missing_engine, spent)

    async def all(self) -> None:
        """Everything, in order."""
        places = await self._resolve()
        if not places:
            return
        if self.request.address.scheme == "http":
            await self._plain(places, "No HTTP answer: ")
            return
        place, greeting = await self._greet(places)
        if greeting.hello is None:
            await self._without_hello(places, place, greeting)
            return
        await self._bounded(self._ask(place, greeting))
        await self._settings(place)

    async def _resolve(self) -> list[Place]:
        address = self.request.address
        self.say(f"looking {address.host} up")
        try:
            places = await resolve(address.host, address.port, self.budget.left)
        except (socket.gaierror, UnicodeError):
            self.result.verdict = f"DNS does not know {address.host}: no address, so nothing to connect to."
            self._mention_proxy()
            return []
        self.findings.addresses = list(dict.fromkeys(str(place[1][0]) for place in places))
        return places

    def _mention_proxy(self) -> None:
        if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
            self.findings.note("HTTPS_PROXY is set: neither the probe nor the broker calls through a proxy")

    async def _greet(self, places: list[Place]) -> tuple[Place, Greeting]:
        """The first address that takes connections, as the broker's own dialling does."""
        self.say("saying hello")
        for place in places:
            greeting = await greet(Asker(place, self.budget, self.findings), self.request.address)
            if greeting.hello is not None or greeting.failures[0][1].kind not in _DEAD:
                break
        first = greeting.failures[0][1] if greeting.failures else greeting.reply
        if first is not None and first.connected:
            self.findings.connect_ms = round(first.connect_seconds * 1000)
        return place, greeting

    async def _without_hello(self, places: list[Place], place: Place, greeting: Greeting) -> None:
        self.result.verdict = verdict.unreached(greeting)
        self.findings.sslv2_only = Kind.SSLV2 in greeting.kinds
        if greeting.kinds & _DEAD:
            self._mention_proxy()
            return
        if Kind.ALERT in greeting.kinds and Kind.SSLV2 not in greeting.kinds:
            await self._settings(place, self.result.verdict)
            return
        if not self.findings.sslv2_only:
            await self._plain(places, f"{self.result.verdict} ")

    async def _plain(self, places: list[Place], otherwise: str) -> None:
        """Whether it is plain HTTP, reached with an http:// target."""
        self.say("calling without TLS")
        candidate = Candidate(self.request.address.target("http"), target_why="not encrypted: anybody can read along")
        found = Found(candidate, await self.search.attempt(candidate))
        if found.outcome.code == "upstream_protocol_error":
            found = await mend(self.search, found)
        if found.outcome.code:
            self.result.verdict = (
                f"{otherwise}{found.outcome.detail}" if otherwise.endswith(": ") else otherwise.strip()
            )
            return
        await self._reached(places[0], found)

    async def _bounded(self, asking: Coroutine[Any, Any, None]) -> None:
        """Questions have their share of the time, and a server that had enough of them is let alone."""
        try:
            async with asyncio.timeout(self.budget.left * _ASKING):
                await asking
        except StoppedAnswering:
            await self.budget.rest()
        except (TimeoutError, BudgetSpent):
            self.findings.note("not everything was asked: the server is too slow for the budget")

    async def _ask(self, place: Place, greeting: Greeting) -> None:
        findings, address = self.findings, self.request.address
        asker = Asker(place, self.budget, findings)
        asker.known = greeting.hello
        self._learn(greeting)
        style = await find_style(asker, address, greeting, findings)
        self._learn(greeting)
        self.say("asking for versions")
        await find_versions(asker, style, findings)
        if findings.leaf is None:
            self.say("looking at the certificate")
            await find_leaf(self.search, place)
        self.say("asking for suites")
        await find_suites(asker, style, findings)
        self.say("asking what it dislikes")
        await find_intolerances(asker, style, findings)
        await find_sni(asker, address, style, findings)

    def _learn(self, greeting: Greeting) -> None:
        if greeting.reply is None:
            return
        flight = greeting.reply.flight
        learn(self.findings, flight)
        if flight.certificates:
            self.findings.leaf = flight.certificates[0]
            self.findings.certificate = chain.describe(flight.certificates, self.request.address.host)

    async def _settings(self, place: Place, otherwise: str = "") -> None:
        self.say("looking for settings that work")
        found = await self.search.tls()
        if found is None:
            self.result.verdict = otherwise or verdict.no_settings(self.findings, self.search.missing_engine, "")
            return
        outcome = found.outcome
        self.findings.protocol, self.findings.cipher = outcome.protocol, outcome.cipher
        self.findings.engine = outcome.tls.name if outcome.tls is not None else ""
        if outcome.code:
            self.result.verdict = verdict.not_http(found)
            found = await mend(self.search, found)
        if found.outcome.code and _is_old(outcome.protocol):
            other = await self.search.tls(obsolete=True)
            found = other if other is not None and not other.outcome.code else found
        if not found.outcome.code:
            await self._reached(place, found)

    async def _reached(self, place: Place, found: Found) -> None:
        self.result.candidate = found.candidate
        self.result.verdict = verdict.reached(found)
        self._tell_lines(found)
        self.say("looking at its HTTP")
        await self._http(place, found)

    def _tell_lines(self, found: Found) -> None:
        """Whether the operator's header lines were sent, without their values."""
        names = ", ".join(f"{name.decode()}: ***" for name, _ in self.request.lines)
        if not names:
            return
        if self.request.lines_for(found.candidate):
            self.findings.note(f"{names} was sent")
        else:
            self.findings.note(f"{names} was not sent: nothing proves who the endpoint is; give --ca or --pin")

    async def _http(self, place: Place, found: Found) -> None:
        config = configured(found.candidate, self.request.today)
        target = config.targets[0]
        origin = Origin(target.host, target.port, target.authority.encode(), found.outcome.tls)
        method = b"POST" if self.post else b"OPTIONS"
        facts = await HttpProbe(place, origin, self.request.address, self.budget, self.findings, method).run()
        head = found.outcome.head
        if head is not None:
            facts.status, facts.reason = head.status, head.reason.decode("latin-1")
        lenient = [setting.value.strip("[]") for setting in found.candidate.http if setting.key == "lenient"]
        facts.quirks = [name for value in lenient for name in value.split(", ")]
        better = without_chunks(found.candidate, facts)
        if better is not None and not (await self.search.attempt(better)).code:
            self.result.candidate = better


def _is_old(protocol: str) -> bool:
    """CBC before TLS 1.1: libraries split records there, or send empty ones, which some servers cannot read."""
    return protocol in ("TLSv1", "TLSv1.0", "SSLv3")
