"""Which versions a server speaks, with which suites and keys: one hello for each question."""

import asyncio
from typing import Final

from broker.probe import suites
from broker.probe.asker import Asker
from broker.probe.findings import Findings
from broker.probe.flight import Flight
from broker.probe.style import Style
from broker.probe.wire import Kind
from broker.tls.versions import TlsVersion

_MOST_SUITES: Final = 24
_PART: Final = 0.5
"""Of the budget: suites are nice to know, the settings that work are what was asked for."""


async def find_versions(asker: Asker, style: Style, findings: Findings) -> None:
    """Ask for each version on its own, newest first."""
    for version in sorted(TlsVersion, reverse=True):
        if findings.versions.get(version.label):
            continue
        if version > style.newest and not (version is TlsVersion.TLSv1_3 and style.newest is TlsVersion.TLSv1_2):
            findings.versions[version.label] = False
            continue
        if version is TlsVersion.TLSv1_3 and not style.extensions:
            findings.versions[version.label] = False
            continue
        await _ask_version(asker, style, findings, version)


async def _ask_version(asker: Asker, style: Style, findings: Findings, version: TlsVersion) -> None:
    reply = await asker.ask(style.hello(version))
    chosen = reply.flight.hello
    findings.versions[version.label] = chosen is not None and chosen.tls_version is version
    if chosen is not None and chosen.tls_version is not None:
        findings.versions.setdefault(chosen.tls_version.label, True)
        if chosen.tls_version is not version:
            findings.versions[chosen.tls_version.label] = True
    elif version is TlsVersion.TLSv1_3 and (findings.best or "") > "TLSv1":
        # RFC 8446 section 4.2.1: a server that does not know the extension has to answer with what it knows.
        findings.dislikes.append("version TLSv1.3")


async def find_suites(asker: Asker, style: Style, findings: Findings) -> None:
    """Take each chosen suite away and ask again, two versions at a time."""
    spoken = [TlsVersion.of(label) for label, yes in findings.versions.items() if yes]
    try:
        async with asyncio.TaskGroup() as group:
            for version in sorted(spoken, reverse=True):
                group.create_task(_of_version(asker, style, findings, version))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _of_version(asker: Asker, style: Style, findings: Findings, version: TlsVersion) -> None:
    found = findings.suites.setdefault(version.label, [])
    size = 8 if style.few else 64
    for listed in (suites.common(version), suites.rare(version)):
        for start in range(0, len(listed), size):
            await _drain(asker, style, findings, version, list(listed[start : start + size]), found)


async def _drain(
    asker: Asker, style: Style, findings: Findings, version: TlsVersion, left: list[int], found: list[str]
) -> None:
    while left and len(found) < _MOST_SUITES and asker.budget.share(_PART) and not asker.budget.slowed:
        reply = await asker.ask(style.hello(version, tuple(left)))
        chosen = reply.flight.hello
        if reply.kind is not Kind.HELLO or chosen is None or chosen.tls_version is not version:
            return
        if chosen.suite not in left:
            findings.note(f"chose {suites.name_of(chosen.suite)}, which was not offered")
            return
        left.remove(chosen.suite)
        name = suites.name_of(chosen.suite)
        found.append(name)
        await _find_key(asker, style, findings, version, chosen.suite)


async def _find_key(asker: Asker, style: Style, findings: Findings, version: TlsVersion, suite: int) -> None:
    """The size of the ephemeral key, once for each kind."""
    kind = ephemeral(suites.name_of(suite))
    if kind is None or kind in findings.key_exchanges:
        return
    findings.key_exchanges[kind] = 0
    learn(findings, (await asker.ask(style.hello(version, (suite,)), whole=True)).flight)


def ephemeral(name: str) -> str | None:
    """The kind of ephemeral key that a suite of TLS 1.2 and older has."""
    if name.startswith(("ECDHE", "AECDH")):
        return "ecdh"
    if name.startswith(("DHE", "EDH", "ADH", "EXP-EDH", "EXP-ADH")):
        return "dh"
    return "rsa" if name.startswith("EXP") else None


def learn(findings: Findings, flight: Flight) -> None:
    """What a whole flight tells beside its ServerHello."""
    key = flight.key_exchange
    if key is not None and not findings.key_exchanges.get(key.kind):
        findings.key_exchanges[key.kind] = key.bits
    if flight.wants_certificate:
        findings.wants_client_certificate = True
    hello = flight.hello
    if hello is None:
        return
    if hello.tls_version is not None:
        findings.versions[hello.tls_version.label] = True
    if hello.version < TlsVersion.TLSv1_3:
        findings.secure_renegotiation = hello.secure_renegotiation
        findings.remembers_sessions = hello.remembers or bool(findings.remembers_sessions)
    elif findings.secure_renegotiation is None:
        findings.secure_renegotiation = True
