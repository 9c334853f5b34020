"""The findings as a table for people, and as one document for programs."""

from dataclasses import asdict
from datetime import date
from typing import Any

from broker.probe.findings import CertificateFacts, Findings, HttpFacts
from broker.probe.run import Result

_WIDTH = 16
_ORDER = ("SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def rows(result: Result) -> list[tuple[str, str]]:
    """What was found out, a line each."""
    findings = result.findings
    listed = [
        ("reachable", _reachable(findings)),
        ("protocols", _protocols(findings)),
        *((f"suites {label}", ", ".join(names)) for label, names in _sorted(findings) if names),
        ("key exchange", _key_exchange(findings)),
        *(_certificate(findings.certificate) if findings.certificate else []),
        ("client cert", "asked for" if findings.wants_client_certificate else ""),
        ("renegotiation", _renegotiation(findings.secure_renegotiation)),
        ("sessions", _sessions(findings)),
        ("server name", findings.sni),
        ("dislikes", ", ".join(findings.dislikes)),
        *(_http(findings.http) if findings.http else []),
        *(("note", note) for note in findings.notes),
        ("cost", f"{result.connections} connections, {result.seconds:.1f} seconds"),
    ]
    return [(name, text) for name, text in listed if text]


def table(result: Result, name: str) -> str:
    """The whole report."""
    lines = [f"{result.request.address.target()}{result.request.address.path}", ""]
    lines += [f"  {key:<{_WIDTH}} {text}" for key, text in rows(result)]
    lines += ["", result.verdict]
    if result.candidate is not None:
        lines += ["", result.candidate.yaml(name, result.request.today).rstrip("\n")]
    return "\n".join(lines) + "\n"


def document(result: Result, name: str) -> dict[str, Any]:
    """Everything as plain values."""
    findings = asdict(result.findings)
    findings.pop("leaf")
    address = result.request.address
    return {
        "url": f"{address.target()}{address.path}",
        "reached": result.candidate is not None,
        "verdict": result.verdict,
        "weak": result.candidate.weak if result.candidate is not None else None,
        "name": name,
        "yaml": yaml_of(result, name, result.request.today),
        "findings": findings,
        "connections": result.connections,
        "seconds": round(result.seconds, 3),
    }


def yaml_of(result: Result, name: str, today: date) -> str | None:
    """The settings that work, where there are any."""
    return None if result.candidate is None else result.candidate.yaml(name, today)


def _sorted(findings: Findings) -> list[tuple[str, list[str]]]:
    return [(label, findings.suites[label]) for label in reversed(_ORDER) if label in findings.suites]


def _reachable(findings: Findings) -> str:
    if not findings.addresses:
        return ""
    took = f", connected in {findings.connect_ms} ms" if findings.connect_ms is not None else ", not connected"
    return ", ".join(findings.addresses) + took


def _protocols(findings: Findings) -> str:
    if findings.sslv2_only:
        return "SSLv2 only"
    spoken = [label for label in _ORDER if findings.versions.get(label)]
    missing = [label for label in _ORDER if findings.versions.get(label) is False]
    if not spoken:
        return ""
    return ", ".join(spoken) + (f" (not {', '.join(missing)})" if missing else "")


def _key_exchange(findings: Findings) -> str:
    words = {"dh": "DHE", "ecdh": "ECDHE", "rsa": "export RSA"}
    return ", ".join(f"{words[kind]} {bits} bits" for kind, bits in findings.key_exchanges.items() if bits)


def _certificate(facts: CertificateFacts) -> list[tuple[str, str]]:
    sent = f"{facts.sent} sent, " if facts.sent else ""
    return [
        ("certificate", f"{facts.subject}, {facts.key} {facts.key_bits} bits, signed with {facts.signature}"),
        ("", ""),
        ("issued by", f"{facts.issuer}, {facts.not_before} to {facts.not_after}"),
        ("names", ", ".join(facts.names[:8])),
        ("sha256", facts.sha256),
        ("chain", f"{sent}{', '.join(facts.faults) or 'no fault seen'}"),
    ]


def _renegotiation(secure: bool | None) -> str:
    return "" if secure is None else "secure (RFC 5746)" if secure else "without RFC 5746"


def _sessions(findings: Findings) -> str:
    if findings.resumed is not None:
        return "resumed" if findings.resumed else "not resumed"
    return "" if findings.remembers_sessions is None else "offered" if findings.remembers_sessions else "not offered"


def _http(facts: HttpFacts) -> list[tuple[str, str]]:
    kept = {None: "", True: "kept", False: "closed after each answer"}[facts.keep_alive]
    return [
        ("http", f"{facts.status} {facts.reason}".strip() + (f", HTTP/{facts.version}" if facts.version else "")),
        ("server", facts.server),
        ("asks for", ", ".join(facts.challenges)),
        ("connections", kept),
        ("expect", facts.expect_continue),
        ("chunked", facts.chunked),
        ("http quirks", ", ".join(facts.quirks)),
        ("wsdl", facts.wsdl),
    ]
