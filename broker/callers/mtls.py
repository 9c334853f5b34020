"""Callers that show a certificate: to the listener, or to a balancer before it that ends TLS."""

from collections.abc import Callable

from broker.callers.certificate import CertificateJudge
from broker.callers.verdict import ADMITTED, Finding, Verdict
from broker.core.exchange import Exchange

Parser = Callable[[bytes], bytes]

_ABSENT = Verdict(Finding.ABSENT, reason="A client certificate is needed.")
_UNREADABLE = Verdict(Finding.WRONG, reason="The certificate cannot be read.")


class MtlsCheck:
    """Compares the caller's certificate with what it must be.

    From a trusted proxy only its header counts: the certificate of that connection, if any, is the proxy's own. From
    anybody else only the connection's counts: the header is made up.
    """

    consumed_query: frozenset[bytes] = frozenset()
    cost = 0

    def __init__(self, judge: CertificateJudge, header: str | None, parse: Parser) -> None:
        self._judge = judge
        self._header = header.lower().encode() if header is not None else b""
        self._parse = parse
        self.consumed = self.guarded = frozenset({self._header}) if header is not None else frozenset()

    def judge(self, exchange: Exchange) -> Verdict:
        try:
            der = self._certificate(exchange)
        except ValueError:
            return _UNREADABLE
        if not der:
            return _ABSENT
        fault = self._judge.fault(der)
        return Verdict(Finding.FORBIDDEN, reason=fault) if fault else ADMITTED

    def _certificate(self, exchange: Exchange) -> bytes | None:
        side = exchange.caller_side
        if not self._header or not side.peer_trusted:
            return side.peer_certificate
        values = exchange.head.values(self._header)
        if len(values) > 1:
            raise ValueError("the header comes twice")
        return self._parse(values[0]) if values and values[0].strip(b" \t") else None

    def close(self) -> None:
        """Nothing goes on."""
