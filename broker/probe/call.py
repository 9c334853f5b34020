"""A call through a candidate, with the broker's own configuration, engines and upstream code."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import date

from broker.callers.authenticate import public
from broker.compile_http import make_upstream
from broker.compile_upstream import upstream_settings, upstream_tls
from broker.config.load import examine_text
from broker.config.model import Upstream as UpstreamConfig
from broker.core.alarms import AlarmWheel
from broker.core.body import Body
from broker.core.errors import BrokerError
from broker.core.exchange import Closable, Exchange
from broker.core.heads import RequestHead, ResponseHead
from broker.core.message import Line
from broker.core.plan import RoutePlan
from broker.probe.address import Address
from broker.probe.budget import Budget
from broker.probe.candidate import Candidate
from broker.rewrite.request import request_prefixes
from broker.tls.engine import ClientTls
from broker.tls.engines import EngineError
from broker.upstream.origin import Origin
from broker.upstream.send import Upstream

NAME = "probed"
_BODY_MOST = 256 * 1024
_AROUND = """\
version: 1
listeners:
  probe:
    bind: 127.0.0.1:8443
    tls: {certificates: [{chain: none.crt, key: none.key}]}
routes: [{name: probe, callers: public, upstream: probed}]
"""


@dataclass(slots=True)
class Outcome:
    """What came of a call."""

    code: str = ""
    """The broker's error code; empty where the endpoint answered; `no_engine` where nothing here can try."""
    detail: str = ""
    cause: str = ""
    head: ResponseHead | None = None
    protocol: str = ""
    cipher: str = ""
    tls: ClientTls | None = field(default=None, repr=False)

    @property
    def tls_failed(self) -> bool:
        """Whether TLS stood in the way."""
        return self.code in ("upstream_tls_failed", "no_engine")

    @property
    def unverified(self) -> bool:
        """Whether TLS works and the certificate was not accepted."""
        return self.tls_failed and self.cause.startswith(("CERTIFICATE_VERIFY_FAILED", "PIN_MISMATCH"))

    @property
    def said(self) -> str:
        """In a few words."""
        if self.head is None:
            return self.detail
        return f"answered {self.head.status}" + (f", then: {self.detail}" if self.code else "")


class Side:
    """There is no caller behind a probe's call."""

    peer = ""
    peer_trusted = False
    peer_certificate = None
    pins: dict[str, Closable] | None = None
    tls = True
    last = False

    def trusts(self, address: str) -> bool:
        """Nobody is a proxy here."""
        return False

    def pin(self, name: str, what: Closable) -> None:
        """Nothing is kept."""

    def send_continue(self) -> None:
        """Nobody waits."""

    def reply(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """Nobody listens."""

    def reply_stream(self, exchange: Exchange, head: bytes, body: object, chunked: bool) -> "asyncio.Future[None]":
        """Nobody listens."""
        raise NotImplementedError

    def abort(self) -> None:
        """Nothing to reset."""

    def exchange_done(self, exchange: Exchange) -> None:
        """Nothing to do."""

    def set_deadline(self, exchange: Exchange, due: float) -> None:
        """The budget is the deadline."""


def configured(candidate: Candidate, today: date) -> UpstreamConfig:
    """The candidate as the configuration reads it; raises `ValueError` where it is not valid."""
    text = _AROUND + candidate.yaml(NAME, today)
    config, faults = examine_text(text)
    wrong = [fault.message for fault in faults if fault.severity == "error"]
    if config is None or wrong:
        raise ValueError("; ".join(wrong))
    return config.upstreams[NAME]


async def call(candidate: Candidate, address: Address, lines: list[Line], budget: Budget, today: date) -> Outcome:
    """GET through the candidate; any answer counts. Raises `BudgetSpent`."""
    try:
        config = configured(candidate, today)
        tls = upstream_tls(config)
    except (EngineError, ValueError) as error:
        return Outcome("no_engine", str(error))
    async with budget.connection():
        outcome = await _send(config, tls, address, lines, budget)
    outcome.tls = tls
    return outcome


async def _send(
    config: UpstreamConfig, tls: ClientTls | None, address: Address, lines: list[Line], budget: Budget
) -> Outcome:
    wheel = AlarmWheel(asyncio.get_running_loop())
    settings = upstream_settings(config)
    connect, wait = min(budget.timeout * 2, budget.left), min(budget.patience, budget.left)
    settings = replace(
        settings,
        connect=min(settings.connect, connect),
        first_byte=min(settings.first_byte, wait),
        idle=min(settings.idle, wait),
        pool_idle=0.0,
    )
    target = config.targets[0]
    origin = Origin(target.host, target.port, target.authority.encode(), tls)
    upstream = make_upstream(NAME, [origin], settings, wheel, config.http)
    outcome = Outcome()
    try:
        answer = await upstream.send(request(address, lines), plan(upstream))
        outcome = Outcome(head=answer.head)
        await _drained(answer.body)
        answer.cancel()
    except BrokerError as error:
        outcome.code, outcome.detail, outcome.cause = error.code, error.detail, error.cause
    finally:
        upstream.close()
        wheel.close()
    for outcome.protocol, outcome.cipher in upstream.stats.handshakes:
        pass
    return outcome


class _Sink:
    """Takes a body, up to a size."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.size = 0

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > _BODY_MOST and not self.done.done():
            self.done.set_result(None)

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def _drained(body: Body | None) -> None:
    """Read the body as well: some faults show there only. Raises `BrokerError`."""
    if body is not None:
        sink = _Sink()
        body.drain(sink)
        await sink.done


def request(address: Address, lines: list[Line], method: bytes = b"GET") -> Exchange:
    """A call that does nothing but ask."""
    head = RequestHead(method, address.path.encode(), False, usual_lines(address, lines))
    return Exchange(head, None, Side(), "probe", 0.0)


def usual_lines(address: Address, lines: list[Line]) -> list[Line]:
    """The header lines of every request; the operator's own replace them."""
    own = {name.lower() for name, _ in lines}
    usual = [(b"Host", address.authority.encode()), (b"User-Agent", b"tls-broker-probe"), (b"Accept", b"*/*")]
    return [line for line in usual if line[0].lower() not in own] + lines


def plan(upstream: Upstream) -> RoutePlan:
    """A route that passes everything on as it is."""
    return RoutePlan(
        name="probe",
        listener="probe",
        upstream=upstream,
        authenticate=public,
        match_path=b"/",
        replace_path=None,
        dropped=frozenset(),
        deadline=None,
        max_body=None,
        forwarded="off",
        via=False,
        prefixes=request_prefixes(frozenset()),
    )
