"""Climbs down the ladder until a call gets through."""

from dataclasses import dataclass, field
from datetime import date

from broker.core.message import Line
from broker.probe.address import Address
from broker.probe.budget import Budget
from broker.probe.call import Outcome, call
from broker.probe.candidate import Candidate, Setting
from broker.probe.findings import Findings, Tried
from broker.probe.ladder import Rung, rungs, trusts
from broker.probe.suites import Grade, grade

_MOST = 24


@dataclass(slots=True)
class Request:
    """What is sent, and how the endpoint may be known."""

    address: Address
    lines: list[Line] = field(default_factory=list)
    ca: str | None = None
    pin: str | None = None
    identity: tuple[str, str] | None = None
    """Files of the client certificate and its key."""
    today: date = field(default_factory=date.today)

    @property
    def shown(self) -> Rung:
        """The client certificate as a setting."""
        if self.identity is None:
            return ()
        chain, key = self.identity
        return (Setting("client_certificate", f'{{chain: "{chain}", key: "{key}"}}'),)

    def lines_for(self, candidate: Candidate) -> list[Line]:
        """The operator's lines may be secret: only who is known by more than this probe's own pin gets them."""
        if not self.lines or candidate.target.startswith("http:") != (self.address.scheme == "http"):
            return []
        keys = {setting.key for setting in candidate.tls}
        known = self.pin is not None or "pin_sha256" not in keys
        return self.lines if known and "unsafe_skip_verify" not in keys else []


@dataclass(slots=True)
class Found:
    """A candidate with which TLS works, and what the call gave."""

    candidate: Candidate
    outcome: Outcome


class Search:
    """Tries candidates; keeps what came of each."""

    def __init__(self, request: Request, budget: Budget, findings: Findings) -> None:
        self.request = request
        self.budget = budget
        self.findings = findings
        self.missing_engine = ""
        """Why a candidate could not be tried here."""

    async def attempt(self, candidate: Candidate) -> Outcome:
        """One call; once more where the connection itself was lost. Raises `BudgetSpent`."""
        lines = self.request.lines_for(candidate)
        outcome = await call(candidate, self.request.address, lines, self.budget, self.request.today)
        lost = outcome.code == "upstream_connect_failed" or outcome.cause.startswith("CONNECTION_RESET")
        if lost:
            await self.budget.rest()
            outcome = await call(candidate, self.request.address, lines, self.budget, self.request.today)
        if outcome.code == "no_engine" and not self.missing_engine:
            self.missing_engine = outcome.detail
        self.findings.tried.append(Tried(candidate.summary, outcome.said))
        return outcome

    async def tls(self, *, obsolete: bool = False) -> Found | None:
        """The strongest settings with which TLS and the certificate's check succeed. Raises `BudgetSpent`.

        `obsolete`: only those of that profile, whose engines do without what newer libraries do of their own accord.
        """
        request = self.request
        ways = trusts(self.findings, request.address.host, request.ca, request.pin, request.shown)
        way = 0
        base = Candidate(request.address.target("https"))
        for rung in dict.fromkeys(rungs(self.findings)):
            if len(self.findings.tried) >= _MOST:
                break
            if obsolete and not any(setting.plain == "profile: obsolete" for setting in rung):
                continue
            while True:
                candidate = base.with_tls(*_merged(rung, ways[way]))
                outcome = await self.attempt(candidate)
                if outcome.code == "upstream_connect_failed":
                    return None
                if not outcome.tls_failed:
                    return await self._without_weak_suite(Found(candidate, outcome))
                if not outcome.unverified or way + 1 == len(ways):
                    break
                way += 1
        return None

    async def _without_weak_suite(self, found: Found) -> Found:
        """A server that prefers RC4 or 3DES although it has better is not asked for them."""
        chosen = found.outcome.cipher
        known = [name for names in self.findings.suites.values() for name in names]
        better = [name for name in known if grade(name) > Grade.WEAK and not name.startswith("TLS_")]
        if not chosen or grade(chosen) > Grade.WEAK or not better:
            return found
        suites = Setting("ciphers", ":".join(dict.fromkeys(better)), f"it has better than {chosen}, which it prefers")
        candidate = found.candidate.with_tls(suites)
        outcome = await self.attempt(candidate)
        return found if outcome.code else Found(candidate, outcome)


def _merged(rung: Rung, trust: Rung) -> Rung:
    """A name that must not be sent stays away, whatever the certificate says."""
    if any(setting.key == "unsafe_skip_verify" for setting in rung):
        return (*rung, *(setting for setting in trust if setting.key == "client_certificate"))
    taken = {setting.key for setting in rung}
    return (*rung, *(setting for setting in trust if setting.key not in taken))
