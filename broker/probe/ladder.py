"""The settings to try, from strongest to weakest; what was found out decides where to begin and what to name."""

from collections.abc import Iterator
from typing import Final

from broker.probe.candidate import Setting
from broker.probe.chain import other_name
from broker.probe.findings import Findings
from broker.probe.suites import Grade, grade, is_anonymous

_OLD: Final = ("SSLv3", "TLSv1.0", "TLSv1.1")
_UNTRUSTED: Final = ("expired", "not yet valid", "self-signed", "wrong name", "name only in the subject")
_OFFERED: Final = ("TLSv1.1", "TLSv1.2", "TLSv1.3")
"""Oldest first: who dislikes TLS 1.1 dislikes all that is newer."""
Rung = tuple[Setting, ...]


def rungs(findings: Findings) -> Iterator[Rung]:
    """How TLS is spoken, strongest first."""
    shape = shape_of(findings)
    best = findings.best
    if best not in _OLD:
        yield shape
        if findings.secure_renegotiation is False:
            yield (Setting("legacy_renegotiation", "true", "it lacks secure renegotiation (RFC 5746)", True), *shape)
    if best != "SSLv3":
        yield from _legacy(findings, shape)
    yield from _obsolete(findings, shape)
    yield from _broken(findings, shape)


def shape_of(findings: Findings) -> Rung:
    """What the hello must not be like."""
    dislikes = findings.dislikes
    upset_by_length = any(
        word in dislikes for word in ("extensions", "optional extensions", "many suites", "more than 64 suites")
    )
    upset_by_length = upset_by_length or any(word.startswith(("256", "512")) for word in dislikes)
    if "extensions" in dislikes and findings.best in ("SSLv3", "TLSv1.0"):
        return (Setting("hello", "bare", "it dislikes hellos with extensions"),)
    if upset_by_length:
        return (Setting("hello", "short", f"it dislikes hellos with {_spoken(dislikes)}"), *_suites_for_short(findings))
    shape: Rung = ()
    newest = next((label for label in _OFFERED if f"version {label}" in dislikes), None)
    if newest is not None:
        below = {"TLSv1.3": "TLSv1.2", "TLSv1.2": "TLSv1.1", "TLSv1.1": "TLSv1.0"}[newest]
        shape += (Setting("max_version", below, "it breaks off when something newer is offered"),)
    if "sni" in dislikes:
        shape += (Setting("server_name", '""', "it breaks off when a name is sent (SNI)"),)
    return shape


def _spoken(dislikes: list[str]) -> str:
    return ", ".join(word for word in dislikes if not word.startswith("version"))


def _suites_for_short(findings: Findings) -> Rung:
    """The short hello has old suites only: name better ones where the server has them."""
    good = _ordered(findings, Grade.GOOD)
    return (Setting("ciphers", ":".join(good[:6]), "few, but good"),) if good else ()


def _ordered(findings: Findings, least: Grade) -> list[str]:
    names = [name for listed in findings.suites.values() for name in listed if not name.startswith("TLS_")]
    return sorted({name for name in names if grade(name) >= least}, key=lambda name: (-grade(name), names.index(name)))


def _floor(findings: Findings, default: str) -> Rung:
    best = findings.best
    if best is None or best == default:
        return ()
    best = min(best, "TLSv1.2")
    return (Setting("min_version", best, "nothing older than the newest that it speaks"),)


def _renegotiation(findings: Findings) -> Rung:
    if not findings.secure_renegotiation:
        return ()
    return (Setting("legacy_renegotiation", "false", "it has secure renegotiation (RFC 5746)"),)


def _legacy(findings: Findings, shape: Rung) -> Iterator[Rung]:
    best = findings.best
    old = best in _OLD
    why = f"it speaks {best} at most" if old else f"{_weakness(findings)} is refused by profile modern"
    profile = Setting("profile", "legacy", why, True)
    tight = (profile, *_floor(findings, "TLSv1.0"), *_renegotiation(findings))
    if not old:
        yield (*tight, Setting("security_level", "2", "groups and suites as strong as modern wants them"), *shape)
        yield (*tight, Setting("security_level", "1", _weakness(findings), True), *shape)
    yield (*tight, *shape)
    yield (profile, *shape)


def _weakness(findings: Findings) -> str:
    """What of the server is too weak for modern."""
    certificate = findings.certificate
    found = []
    if findings.key_exchanges.get("dh", 4096) < 2048:
        found.append(f"its DHE group of {findings.key_exchanges['dh']} bits")
    if certificate is not None:
        found += [f"its {fault}" for fault in certificate.faults if "bits" in fault or fault.startswith("signed with")]
    if not found and findings.suites:
        best = max((grade(name) for names in findings.suites.values() for name in names), default=Grade.GOOD)
        found += ["its choice of suites"] if best < Grade.GOOD else []
    return " and ".join(found).replace("its signed", "a certificate signed") or "something in its handshake"


def _obsolete(findings: Findings, shape: Rung) -> Iterator[Rung]:
    best = findings.best
    why = (
        "it speaks nothing newer than SSLv3" if best == "SSLv3" else f"{_obsoletes(findings)}: no other engine takes it"
    )
    profile = Setting("profile", "obsolete", why, True)
    tight = (profile, *_floor(findings, "SSLv3"), *_renegotiation(findings))
    if _only_length(findings):
        # The hello of this profile is short enough as it is.
        yield tight
    if shape:
        yield (*tight, *(setting for setting in shape if setting.plain != "max_version: TLSv1.2"))
    yield tight
    yield (profile,)
    yield (profile, Setting("hello", "short", "few suites, no name, no extension"))
    yield (profile, Setting("hello", "bare", "TLS 1.0 at most, no extension at all"))
    yield (profile, Setting("engine", "system", "the system's OpenSSL, with keys of any size"), *shape)


def _only_length(findings: Findings) -> bool:
    dislikes = [word for word in findings.dislikes if not word.startswith("version")]
    return bool(dislikes) and all(word[0].isdigit() or word == "more than 64 suites" for word in dislikes)


def _obsoletes(findings: Findings) -> str:
    names = {name for listed in findings.suites.values() for name in listed}
    if names and max(map(grade, names)) <= Grade.WEAK:
        return "its suites are " + ", ".join(sorted(names)[:3])
    return _weakness(findings)


def _broken(findings: Findings, shape: Rung) -> Iterator[Rung]:
    """Suites that no profile offers, where there are no others."""
    names = [name for listed in findings.suites.values() for name in listed]
    if not names or max(map(grade, names)) > Grade.BROKEN:
        return
    suites = Setting("ciphers", ":".join(dict.fromkeys(names)), _brokenness(names), True)
    unsafe = Setting("unsafe_skip_verify", "true", "the suite is anonymous: no certificate is shown at all", True)
    for name in ("legacy", "obsolete"):
        profile = Setting("profile", name, _brokenness(names), True)
        if all(map(is_anonymous, names)):
            yield (profile, suites, unsafe, *shape)
        else:
            yield (profile, suites, *shape)


def _brokenness(names: list[str]) -> str:
    if any("NULL" in name for name in names):
        return "it has suites without encryption only: everybody can read along"
    if all(map(is_anonymous, names)):
        return "it has anonymous suites only: anybody can stand in between"
    return "it has suites with keys of 40 or 56 bits only"


def trusts(findings: Findings, host: str, ca: str | None, pin: str | None, shown: Rung = ()) -> list[Rung]:
    """How the endpoint is known, best first; `shown`: what it is shown in return."""
    if pin is not None:
        return [(Setting("pin_sha256", f'["{pin}"]', "the certificate that was named"), *shown)]
    base: Rung = (*((Setting("ca", f'"{ca}"'),) if ca is not None else ()), *shown)
    found: list[Rung] = [base]
    certificate = findings.certificate
    if certificate is None:
        return found
    other = other_name(certificate, host)
    if "wrong name" in certificate.faults and other is not None:
        found.append((*base, Setting("server_name", other, "the name in its certificate")))
    faults = [fault for fault in certificate.faults if fault in _UNTRUSTED] or ["not from a CA that is known here"]
    why = f"{', '.join(faults)}: compare the digest with its owner's, and renew it with the certificate"
    found.append((Setting("pin_sha256", f'["{certificate.sha256}"]', why), *shown))
    return found
