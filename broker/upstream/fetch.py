"""A small request of the broker's own to an upstream, such as a login form."""

from broker.credentials.flow import Fetch, Fetched
from broker.upstream.answer import Answer, Stale, answer_of
from broker.upstream.bodies import collect
from broker.upstream.leasing import Lease
from broker.upstream.send import Upstream
from broker.upstream.spool import whole_body


async def fetch(upstream: Upstream, request: Fetch) -> Fetched:
    """Make the request; raises `BrokerError`."""
    try:
        answer = await _send(await upstream.lease(certain=True), request)
    except Stale:
        answer = await _send(await upstream.lease(certain=True, fresh=True), request)
    body = await collect(answer)
    return Fetched(answer.head.status, answer.head.lines, body)


async def _send(lease: Lease, request: Fetch) -> Answer:
    lines = [(b"Host", lease.pool.origin.authority), *request.lines]
    if request.body or request.method not in (b"GET", b"HEAD"):
        lines.append((b"Content-Length", b"%d" % len(request.body)))
    out = [b"%b %b HTTP/1.1\r\n" % (request.method, request.target)]
    out += [b"%b: %b\r\n" % line for line in lines]
    head = b"".join(out) + b"\r\n"
    body = whole_body([request.body]) if request.body else None
    return await answer_of(
        lease.connection, lease.connection.call(request.method, head, body, False, len(request.body))
    )
