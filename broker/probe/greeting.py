"""Finds a hello that the server answers, from the usual to what servers of 1999 want."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.probe import suites
from broker.probe.address import Address
from broker.probe.asker import Asker
from broker.probe.hello import Hello, sslv2_hello
from broker.probe.wire import Kind, Reply, ask
from broker.tls.versions import TlsVersion

_DEAD = frozenset({Kind.REFUSED, Kind.UNREACHABLE})
_LESS_LIKELY = frozenset({"tls13", "rare", "tls10"})
"""Not worth the wait with a server that said nothing to the usual hello."""


@dataclass(slots=True)
class Greeting:
    """How the server was brought to speak, or not."""

    word: str = ""
    hello: Hello | None = None
    reply: Reply | None = None
    """The answer to `hello`."""
    failures: list[tuple[str, Reply]] = field(default_factory=list)
    """What was asked before in vain, by the word for it."""

    @property
    def kinds(self) -> set[Kind]:
        """What came of the failures."""
        return {reply.kind for _, reply in self.failures}

    @property
    def foreign(self) -> bytes:
        """The start of an answer that was not TLS."""
        return next((reply.flight.foreign for _, reply in self.failures if reply.kind is Kind.FOREIGN), b"")


def hellos(address: Address) -> Iterator[tuple[str, Hello]]:
    """The hellos to try, by the word for what is new in each."""
    name = address.host if address.is_name else None
    v12, v13 = TlsVersion.TLSv1_2, TlsVersion.TLSv1_3
    yield "usual", Hello(v12, suites.common(v12), name)
    yield "tls13", Hello(v13, suites.TLS13 + suites.common(v12)[:30], name)
    if name is not None:
        yield "no-sni", Hello(v12, suites.common(v12), None)
    yield "rare", Hello(v12, suites.rare(v12), name)
    yield "short", Hello(v12, suites.OLD_FEW, None, extensions=False)
    yield "tls10", Hello(TlsVersion.TLSv1_0, suites.common(TlsVersion.TLSv1_0), None)
    yield "bare", Hello(TlsVersion.TLSv1_0, suites.OLD_FEW, None, extensions=False)
    yield "sslv3", Hello(TlsVersion.SSLv3, suites.common(TlsVersion.SSLv3), None, extensions=False)
    yield "sslv3-rare", Hello(TlsVersion.SSLv3, suites.rare(TlsVersion.SSLv3), None, extensions=False)


async def greet(asker: Asker, address: Address) -> Greeting:
    """Try hellos until one is answered. Raises `BudgetSpent`."""
    greeting = Greeting()
    for word, hello in hellos(address):
        if word in _LESS_LIKELY and greeting.kinds == {Kind.SILENT}:
            continue
        reply = await asker.once(hello, whole=True)
        if reply.kind is Kind.HELLO:
            greeting.hello, greeting.reply, greeting.word = hello, reply, word
            asker.known = hello
            return greeting
        greeting.failures.append((word, reply))
        if reply.kind is Kind.FOREIGN or _hopeless(greeting):
            return greeting
    old = await ask(asker.place, asker.budget, sslv2_hello())
    greeting.failures.append(("sslv2", old))
    return greeting


def _hopeless(greeting: Greeting) -> bool:
    """Nobody there, or again and again nothing: a tarpit."""
    if greeting.failures[0][1].kind in _DEAD:
        return True
    return greeting.kinds == {Kind.SILENT} and greeting.failures[-1][0] == "bare"
