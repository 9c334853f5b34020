"""What upsets a server: long hellos, many suites, a name, its absence."""

from broker.probe import suites
from broker.probe.address import Address
from broker.probe.asker import Asker
from broker.probe.findings import Findings
from broker.probe.hello import Hello
from broker.probe.style import Style
from broker.probe.wire import Kind, Reply
from broker.tls.versions import TlsVersion

_READ_BY_OLD_SERVERS = 64


async def find_intolerances(asker: Asker, style: Style, findings: Findings) -> None:
    """Grow a hello that was answered, in one way at a time."""
    version = min(style.newest, TlsVersion.TLSv1_2)
    if not style.extensions:
        return
    few = style.hello(version, (style.suite,) if style.suite not in suites.TLS13 else None, optional=True)
    if (await asker.ask(few)).kind is not Kind.HELLO:
        findings.dislikes.append("optional extensions")
    for size, word in ((300, "256 to 511 bytes"), (700, "512 bytes and more")):
        if (await asker.ask(style.hello(version, pad_to=size))).kind is not Kind.HELLO:
            findings.dislikes.append(word)
    if not style.few and not any(word.endswith(("bytes", "more")) for word in findings.dislikes):
        await _many(asker, style, findings, version)


async def _many(asker: Asker, style: Style, findings: Findings, version: TlsVersion) -> None:
    taken = {suites.CODES[name] for names in findings.suites.values() for name in names if name in suites.CODES}
    taken.add(style.suite)
    everything = (*suites.common(version), *suites.rare(version))
    others = [code for code in everything if code not in taken]
    # Numbers that nobody assigned fill up: RFC 5246 section 7.4.1.2 has servers ignore what they do not know.
    filling = [0xFD00 + index for index in range(_READ_BY_OLD_SERVERS + 2 - len(others))]
    last = [code for code in everything if code in taken]
    if (await asker.ask(style.hello(version, (*others, *filling, *last)))).kind is not Kind.HELLO:
        findings.dislikes.append("more than 64 suites")


async def find_sni(asker: Asker, address: Address, style: Style, findings: Findings) -> None:
    """Whether the name in the hello matters."""
    if not address.is_name or style.name is None:
        findings.sni = "disliked" if "sni" in findings.dislikes else "not sent"
        return
    version = min(style.newest, TlsVersion.TLSv1_2)
    if not findings.versions.get("TLSv1.2") and findings.best == "TLSv1.3":
        version = TlsVersion.TLSv1_3
    with_name = await asker.ask(style.hello(version), whole=True)
    without = await asker.ask(Hello(version, style.usual(version), None), whole=True)
    findings.sni = _compared(with_name, without)


def _compared(named: Reply, bare: Reply) -> str:
    if bare.kind is not Kind.HELLO:
        return f"needed: without it the server {bare.said if bare.kind is not Kind.ALERT else 'sends ' + bare.said}"
    if "unrecognized_name" in named.flight.warnings:
        return "not known to the server, which warns and goes on"
    if not named.flight.certificates or not bare.flight.certificates:
        return "taken"
    if named.flight.certificates[0] != bare.flight.certificates[0]:
        return "needed: without it the server shows another certificate"
    return "makes no difference"
