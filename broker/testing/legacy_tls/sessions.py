"""Cases of session resumption, of split records, and of renegotiation by OpenSSL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from broker.testing.legacy_tls import loopback
from broker.testing.legacy_tls.case import Case, Served
from broker.testing.legacy_tls.relay import Intolerance, relaying
from broker.testing.legacy_tls.s_server import plain, s_server


@contextmanager
def _resets_every_third(directory: Path) -> Iterator[Served]:
    """Has a relay of its own: the connections are counted from the start of the case."""
    number = count(1)
    intolerance = Intolerance(lambda _: next(number) % 3 == 0, loopback.reset)
    behind = s_server("-tls1", program="openssl", tls={"profile": "legacy"})
    with behind(directory) as served, relaying([served.port], intolerance) as port:
        yield replace(served, port=port)


CASES = (
    plain("resumption-id", "TLS 1.0, resumes sessions by id", "-tls1", "-no_ticket", copies=1),
    plain("resumption-ticket", "TLS 1.2, resumes sessions by ticket", "-tls1_2", copies=1),
    plain("no-resumption", "TLS 1.0, resumes no session", "-tls1", "-no_ticket", "-no_cache"),
    plain("records-of-512", "splits messages over records of 512 bytes", "-tls1", "-max_send_frag", "512"),
    plain(
        "renegotiation-openssl",
        "OpenSSL: asks for a client certificate by renegotiation when /renegcert is asked for",
        "-tls1",
        path="/renegcert",
        asks_client=True,
    ),
    Case("resets-third", "resets every third connection after its hello", _resets_every_third, ("openssl",)),
)
