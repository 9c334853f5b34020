"""The life of a call, downwards: route, caller, admission, upstream, answer.

The order is a security property: no upstream is touched before the caller is known, and nothing of a caller's body
is read, but where it is what is signed, and then held and bounded; the credential is injected last, into a head from
which hop 1's credentials have been taken.
"""

import asyncio
import logging
from collections.abc import Awaitable
from time import monotonic

from broker import respond
from broker.core.deadlines import DEADLINE, SOAP_DEADLINE
from broker.core.errors import BrokerError
from broker.core.exchange import CallerGone, Exchange
from broker.core.heads import RequestHead
from broker.core.plan import Reply, RoutePlan
from broker.http1.writer import whole_chunked
from broker.observe.finish import CALLER_GONE, Observer
from broker.observe.request_ids import request_id
from broker.observe.tally import RouteTally
from broker.rewrite.response import answer_head
from broker.routing.table import RouteTable

log = logging.getLogger(__name__)


async def serve(exchange: Exchange, table: RouteTable, observer: Observer) -> None:
    """Serve one call from its head to the last byte of its answer; every failure ends here."""
    tally: RouteTally | None = None
    aborted = False
    exchange.running = True
    exchange.request_id = request_id(exchange.head)
    try:
        if exchange.interruption is not None:
            raise asyncio.CancelledError
        if exchange.refusal is not None:
            raise exchange.refusal
        plan = exchange.plan = table.match(exchange)
        tally = observer.begin(exchange)
        caller = plan.authenticate(exchange)
        exchange.caller = caller if isinstance(caller, str) else await proven(exchange, plan, caller)
        admit(exchange, plan)
        if plan.gate is not None and not plan.gate.open:
            await plan.gate.enter(exchange)
        invite_body(exchange)
        reply = await call_upstream(exchange, plan)
        await relay(exchange, reply)
    except BrokerError as error:
        aborted = answer_error(exchange, error)
        # Else the answer that broke off with it, and the frames it came through, would keep each other.
        error.__traceback__ = None
    except asyncio.CancelledError:
        aborted = answer_interruption(exchange)
    except Exception:
        log.exception("a call failed inside the broker", extra={"request_id": exchange.request_id})
        aborted = answer_error(exchange, BrokerError("internal_error"))
    finally:
        exchange.give_back()
        observer.finish(exchange, tally, monotonic(), aborted)
        exchange.caller_side.exchange_done(exchange)


async def proven(exchange: Exchange, plan: RoutePlan, caller: Awaitable[str]) -> str:
    """The caller, for a proof that takes its time: keys from elsewhere, the whole body, or a delay before a refusal."""
    start_clock(exchange, plan)
    return await caller


def start_clock(exchange: Exchange, plan: RoutePlan) -> None:
    """Set the deadline of the whole call."""
    exchange.due = exchange.started + call_seconds(plan.deadline, exchange.head)
    exchange.caller_side.set_deadline(exchange, exchange.due)


def admit(exchange: Exchange, plan: RoutePlan) -> None:
    """Hold the call to its size, and start its clock."""
    come = exchange.body.size if exchange.body is not None else 0
    if plan.max_body is not None and max(exchange.head.length, come) > plan.max_body:
        raise BrokerError("body_too_large")
    start_clock(exchange, plan)


def invite_body(exchange: Exchange) -> None:
    """Let a caller that waits for it send its body (RFC 9110 section 10.1.1)."""
    body = exchange.body
    if exchange.head.expects_continue and body is not None and not body.complete and not body.size:
        exchange.caller_side.send_continue()


def call_seconds(configured: float | None, head: RequestHead) -> float:
    """How long the whole call may take: as configured, else just below what F&O's clients wait."""
    if configured is not None:
        return configured
    return SOAP_DEADLINE if respond.soap_version(head) else DEADLINE


async def call_upstream(exchange: Exchange, plan: RoutePlan) -> Reply:
    """The upstream's answer, timed; raises `BrokerError`."""
    start = monotonic()
    exchange.asked = True
    reply = await plan.upstream.send(exchange, plan)
    if not exchange.replayed:
        exchange.upstream_seconds = monotonic() - start
    return reply


async def relay(exchange: Exchange, reply: Reply) -> None:
    """Hand the answer to the caller: whole where it is all there, else as it comes."""
    exchange.status = reply.head.status
    head, chunked = answer_head(exchange, reply.head)
    side, body = exchange.caller_side, reply.body
    if body is None:
        side.reply(exchange, head, b"")
        return
    whole = body.take()
    if whole is not None:
        side.reply(exchange, head, whole_chunked(whole) if chunked else whole)
        return
    try:
        await side.reply_stream(exchange, head, body, chunked)
    except asyncio.CancelledError:
        reply.cancel()
        raise


def answer_error(exchange: Exchange, error: BrokerError) -> bool:
    """Answer with the error; True when an answer had begun, so that only breaking off was honest."""
    if error.cause or error.kind.status >= 500:
        log_failure(exchange, error)
    if exchange.responded:
        exchange.code = error.code
        exchange.caller_side.abort()
        return True
    respond.render(exchange, error)
    return False


def answer_interruption(exchange: Exchange) -> bool:
    """The call was interrupted: by a deadline or a broken body, which has an answer, or by the caller's leaving."""
    reason = exchange.interruption
    if isinstance(reason, BrokerError):
        return answer_error(exchange, reason)
    if not isinstance(reason, CallerGone):
        exchange.close = True
    if not exchange.responded:
        exchange.status = CALLER_GONE
    exchange.caller_side.abort()
    return True


def log_failure(exchange: Exchange, error: BrokerError) -> None:
    """Tell the log what the caller is not told."""
    plan = exchange.plan
    log.warning(
        "%s",
        error,
        extra={
            "event": error.code,
            "request_id": exchange.request_id,
            "route": plan.name if plan is not None else None,
            "upstream": plan.upstream.name if plan is not None else None,
            "cause": error.cause,
        },
    )
