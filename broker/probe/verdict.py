"""Why an endpoint was not reached, in a sentence; and what was reached, in another."""

from typing import Final

from broker.probe.findings import Findings
from broker.probe.greeting import Greeting
from broker.probe.search import Found
from broker.probe.wire import Kind

_ASKS_LATER: Final = "servers do so that ask for a client certificate after the request; give one with --cert and --key"
_BANNERS: Final = {
    b"SSH-": "SSH",
    b"220 ": "SMTP or FTP",
    b"220-": "SMTP or FTP",
    b"+OK": "POP3",
    b"* OK": "IMAP",
    b"RFB ": "VNC",
    b"\x00\x00": "HTTP/2 without TLS, or a database",
}


def unreached(greeting: Greeting) -> str:
    """No hello was answered."""
    first, kinds = greeting.failures[0][1].kind, greeting.kinds
    if first is Kind.REFUSED:
        return "Nobody listens on this port: the connection was refused."
    if first is Kind.UNREACHABLE:
        why = greeting.failures[0][1].why
        return f"No connection ({why}): the host is down, or a firewall on the way drops what is sent."
    if Kind.SSLV2 in kinds:
        return "It speaks SSLv2 only, which no engine speaks and nobody can make safe: put a newer TLS in front of it."
    if Kind.FOREIGN in kinds:
        return f"{foreign(greeting.foreign)} on this port."
    if kinds == {Kind.SILENT}:
        return "It accepts connections and never says anything, to TLS or to HTTP (a tarpit, or a service that waits)."
    if Kind.ALERT in kinds:
        alerts = sorted({reply.flight.alert or "" for _, reply in greeting.failures if reply.kind is Kind.ALERT})
        return f"It speaks TLS and refuses every hello with an alert ({', '.join(alerts)})."
    if kinds <= {Kind.RESET, Kind.CLOSED, Kind.SILENT}:
        return "It takes connections and ends them when TLS begins: this port, or this client, is not wanted."
    return "It does not answer as TLS does."


def foreign(data: bytes) -> str:
    """What an answer that is not TLS looks like."""
    if data.startswith((b"HTTP/", b"<")):
        return "Plain HTTP, no TLS,"
    for start, name in _BANNERS.items():
        if data.startswith(start):
            return f"{name}, no TLS,"
    return "Something that is neither TLS nor HTTP"


def reached(found: Found) -> str:
    """A call went through."""
    head, candidate = found.outcome.head, found.candidate
    status = f"answered with {head.status}" if head is not None else "answered"
    if candidate.target.startswith("http:"):
        return f"Reached: plain HTTP, not encrypted; a GET was {status}."
    how = (
        "with these settings" if candidate.tls or candidate.http else "as it is: profile modern, no tls settings needed"
    )
    spoken = f"{found.outcome.protocol} with {found.outcome.cipher}" if found.outcome.protocol else "TLS"
    weak = "weaker than today's TLS" if candidate.weak else "not weak"
    return f"Reached {how} ({spoken}; {weak}): a GET was {status}."


def not_http(found: Found) -> str:
    """TLS works and what is in it does not."""
    outcome = found.outcome
    spoken = f"TLS works ({outcome.protocol}, {outcome.cipher})"
    if outcome.code == "upstream_timeout":
        return f"{spoken}, but no HTTP answer came in time."
    if "closed the connection" in outcome.detail:
        return f"{spoken}, but it hangs up on the request instead of answering: {_ASKS_LATER}."
    return f"{spoken}, but what answers is not HTTP that the broker can read: {outcome.detail}"


def no_settings(findings: Findings, missing_engine: str, spent: str) -> str:
    """TLS is there and no candidate got through."""
    spoken = [label for label, yes in findings.versions.items() if yes]
    said = f"It speaks {', '.join(spoken)}, but" if spoken else "It may speak TLS, but"
    if spent:
        return f"{said} {spent}."
    if missing_engine:
        return f"{said} no engine that is here can speak it: {missing_engine}."
    last = findings.tried[-1].outcome if findings.tried else "nothing was tried"
    if "broke during the call" in last:
        return f"{said} TLS breaks when the request is sent: {_ASKS_LATER}."
    if findings.wants_client_certificate:
        return f"{said} it wants a client certificate (`tls.client_certificate`): {last}"
    return f"{said} no settings got through; the last said: {last}"
