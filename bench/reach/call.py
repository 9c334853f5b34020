"""Whether a server is reached: three calls, one after another, each answered with what the server says."""

import http.client
import ssl
from pathlib import Path

from broker.testing.contexts import client_context
from broker.testing.legacy_tls import Served

CALLS = 3
SECONDS = 5
MANY_CALLS = 7
"""For a server that fails now and then."""


def failure(served: Served, port: int, path: str, ca: Path | None = None, *, calls: int = CALLS) -> str:
    """Call a proxy on 127.0.0.1, `ca` for one that speaks TLS itself; why the server is not reached, or nothing."""
    context = client_context(ca.read_text()) if ca else None
    for number in range(1, calls + 1):
        if reason := _call(served, port, path, context):
            return f"call {number}: {reason}"
    return ""


def _call(served: Served, port: int, path: str, context: ssl.SSLContext | None) -> str:
    connection = (
        http.client.HTTPSConnection("localhost", port, timeout=SECONDS, context=context)
        if context
        else http.client.HTTPConnection("localhost", port, timeout=SECONDS)
    )
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.status != served.status:
        return f"{answer.status}: {' '.join(body.decode(errors='replace').split())[:300]}"
    return "" if served.body in body else "another body"
