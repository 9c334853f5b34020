"""In which form a server takes hellos: with extensions, with a name, with many suites; found once, used for all."""

from dataclasses import dataclass

from broker.probe import suites
from broker.probe.address import Address
from broker.probe.asker import Asker
from broker.probe.findings import Findings
from broker.probe.greeting import Greeting, hellos
from broker.probe.hello import Hello
from broker.probe.wire import Kind
from broker.tls.versions import TlsVersion


@dataclass(slots=True)
class Style:
    """The form of hello that a server answers."""

    newest: TlsVersion
    """The newest version that may be offered."""
    name: str | None
    extensions: bool
    few: bool
    """Whether only eight suites may be offered at a time."""
    suite: int
    """One that it takes."""

    def hello(
        self, version: TlsVersion, offered: tuple[int, ...] | None = None, *, pad_to: int = 0, optional: bool = False
    ) -> Hello:
        """A hello in this form."""
        if offered is None:
            offered = self.usual(version)
        name = self.name if self.extensions else None
        return Hello(version, offered, name, extensions=self.extensions, pad_to=pad_to, optional=optional)

    def usual(self, version: TlsVersion) -> tuple[int, ...]:
        """What to offer, the suite that it takes among it."""
        if version is TlsVersion.TLSv1_3:
            return (*suites.TLS13, self.suite, *suites.common(TlsVersion.TLSv1_2)[:24])
        listed = suites.OLD_FEW if self.few else suites.common(version)
        return listed if self.suite in listed or self.suite in suites.TLS13 else (self.suite, *listed)


async def find_style(asker: Asker, address: Address, greeting: Greeting, findings: Findings) -> Style:
    """The most usual form that works, and what is disliked about those before it."""
    await _look_back(asker, address, greeting, findings)
    hello, reply = greeting.hello, greeting.reply
    assert hello is not None  # noqa: S101 - a greeting that succeeded
    assert reply is not None  # noqa: S101
    assert reply.flight.hello is not None  # noqa: S101
    few = hello.suites == suites.OLD_FEW
    name = address.host if address.is_name else None
    style = Style(hello.version, hello.server_name, hello.extensions, few, reply.flight.hello.suite)
    if greeting.word == "no-sni":
        findings.dislikes.append("sni")
    if greeting.word in ("tls10", "bare"):
        await _newer(asker, style, findings)
    if greeting.word in ("short", "bare", "tls10"):
        await _more(asker, style, findings, name)
    return style


async def _look_back(asker: Asker, address: Address, greeting: Greeting, findings: Findings) -> None:
    """A connection that was lost before anything was known may have been bad luck."""
    known = dict(hellos(address))
    for word, reply in greeting.failures:
        if reply.kind in (Kind.RESET, Kind.CLOSED, Kind.SILENT) and word in known:
            again = await asker.ask(known[word], whole=True)
            if again.kind is Kind.HELLO:
                findings.note("drops some connections for no reason of TLS: each surprise was asked twice")
                greeting.word, greeting.hello, greeting.reply = word, known[word], again
                asker.known = known[word]
            return


async def _newer(asker: Asker, style: Style, findings: Findings) -> None:
    """Whether it was the version 1.2 that upset the server."""
    for version in (TlsVersion.TLSv1_2, TlsVersion.TLSv1_1):
        if (await asker.ask(style.hello(version))).kind is Kind.HELLO:
            style.newest = version
            return
        findings.dislikes.append(f"version {version.label}")


async def _more(asker: Asker, style: Style, findings: Findings, name: str | None) -> None:
    """What of a hello upset the server: the name, the extensions, the number of suites."""
    if not style.extensions:
        wider = Style(style.newest, None, True, style.few, style.suite)
        if (await asker.ask(wider.hello(style.newest))).kind is Kind.HELLO:
            style.extensions = True
        else:
            findings.dislikes.append("extensions")
    if style.extensions and style.name is None and name is not None:
        named = Style(style.newest, name, True, style.few, style.suite)
        if (await asker.ask(named.hello(style.newest))).kind is Kind.HELLO:
            style.name = name
        else:
            findings.dislikes.append("sni")
    if style.few:
        many = Style(style.newest, style.name, style.extensions, False, style.suite)
        if (await asker.ask(many.hello(style.newest))).kind is Kind.HELLO:
            style.few = False
        else:
            findings.dislikes.append("many suites")
