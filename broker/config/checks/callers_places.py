"""Callers and the listeners where they call: who could never prove anything there."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography import x509

from broker.config.checks.chains import date_problems
from broker.config.checks.pem import PemError, is_issued_by, read_certificates
from broker.config.draft import Draft
from broker.config.faults import Loc, Problem, warning
from broker.config.model import AllOfCaller, EntraJwtCaller, Listener, MtlsCaller, Route
from broker.config.partial import knows, rule


def listener_mtls(draft: Draft) -> Iterator[Problem]:
    """Listeners that ask for certificates without a CA, or have one for nothing."""
    for name, listener in draft.listeners.items():
        yield from _mtls(listener, ("listeners", name, "tls"))


def caller_places(draft: Draft) -> Iterator[Problem]:
    """Callers whose certificate nobody would ask for, or hand on."""
    for name, places in _places(draft).items():
        caller = draft.callers.get(name)
        if isinstance(caller, MtlsCaller):
            for place in sorted(places):
                yield from _certificate(caller, name, place, draft.listeners.get(place))


def caller_headers(draft: Draft) -> Iterator[Problem]:
    """Routes that tell the upstream who calls where nobody knows."""
    for index, route in draft.routes:
        for one in (_never_sent, _sent_already):
            yield from one(route, ("routes", index, "caller_header"))


def caller_files(draft: Draft) -> Iterator[Problem]:
    """CA files of callers, and whether listeners would let certificates of theirs through."""
    places = _places(draft)
    for name, caller in draft.callers.items():
        if isinstance(caller, MtlsCaller | EntraJwtCaller):
            yield from _authorities(draft, caller, ("callers", name, "ca"), places.get(name, set()))


@rule
def _mtls(listener: Listener, at: Loc) -> Iterator[Problem]:
    tls = listener.tls
    if tls.client_ca is None and tls.asks_for != "off":
        yield Problem((*at, "mtls"), f"`{tls.asks_for}` needs `client_ca`: the CAs that certificates must come from")
    if tls.client_ca is not None and tls.asks_for == "off":
        yield warning((*at, "client_ca"), "does nothing with `mtls: off`")


@rule
def _never_sent(route: Route, at: Loc) -> Iterator[Problem]:
    if route.caller_header is not None and route.callers == "public":
        yield warning(at, "is never sent: on a public route nobody knows who calls")


@rule
def _sent_already(route: Route, at: Loc) -> Iterator[Problem]:
    if route.caller_header is None:
        return
    given = route.credentials if isinstance(route.credentials, list) else [route.credentials]
    if any(str(getattr(one, "header", "")).lower() == route.caller_header.lower() for one in given):
        yield Problem(at, "carries the credential of this route already")


@rule
def _authorities(
    draft: Draft, caller: MtlsCaller | EntraJwtCaller, at: Loc, places: Iterable[str]
) -> Iterator[Problem]:
    if caller.ca is None:
        return
    try:
        authorities = read_certificates(caller.ca)
    except PemError as error:
        yield Problem(at, str(error))
        return
    for authority in authorities:
        yield from (warning(at, problem.message) for problem in date_problems(authority, at))
    if isinstance(caller, MtlsCaller) and caller.trusted_header is None:
        for place in sorted(places):
            yield from _let_through(authorities, at, place, draft.listeners.get(place))


@rule
def _certificate(caller: MtlsCaller, name: str, place: str, listener: Listener | None) -> Iterator[Problem]:
    if listener is None:
        return
    if caller.trusted_header is not None:
        if not listener.trusted_proxies:
            yield Problem(
                ("callers", name, "trusted_header"),
                f"listeners.{place} has no `trusted_proxies`: nobody is believed to hand certificates on there",
            )
    elif listener.tls.client_ca is None or listener.tls.asks_for == "off":
        yield Problem(
            ("callers", name),
            f"listeners.{place} asks for no certificates: set `tls.client_ca` there (with `mtls: optional`, where "
            "others call without one), or `trusted_header` here, where a balancer ends TLS",
        )


@rule
def _let_through(
    authorities: list[x509.Certificate], at: Loc, place: str, listener: Listener | None
) -> Iterator[Problem]:
    if listener is None or listener.tls.client_ca is None or listener.tls.asks_for == "off":
        return
    known = _readable(listener.tls.client_ca)
    if known and not any(_related(authority, one) for authority in authorities for one in known):
        yield Problem(
            at,
            f"listeners.{place} ends the handshake with certificates of this CA: add it to `tls.client_ca` there, "
            "which every certificate that is shown must come from, also with `mtls: optional`",
        )


def _related(authority: x509.Certificate, known: x509.Certificate) -> bool:
    return authority == known or is_issued_by(authority, known) or is_issued_by(known, authority)


def _readable(path: Path) -> list[x509.Certificate]:
    try:
        return read_certificates(path)
    except PemError:
        return []  # said at its own place


def _places(draft: Draft) -> dict[str, set[str]]:
    """The listeners that each caller uses, by name; the parts of an all_of call where it does."""
    found: dict[str, set[str]] = defaultdict(set)
    for _, route in draft.routes:
        listener = _listener(draft, route) if knows(route, "listener", "callers") else None
        if listener is None or isinstance(route.callers, str):
            continue
        for name in route.callers:
            caller = draft.callers.get(name)
            for one in getattr(caller, "of", ()) if isinstance(caller, AllOfCaller) else [name]:
                found[one].add(listener)
    return found


def _listener(draft: Draft, route: Route) -> str | None:
    names = draft.names["listeners"]
    return next(iter(names)) if route.listener is None and len(names) == 1 else route.listener
