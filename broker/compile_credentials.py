"""From a route's credentials to the upstream that its calls are sent to."""

import ssl
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from broker.config.model import ClientCertificateCredentials, Route
from broker.core.plan import UpstreamPort
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials.build import build_injector
from broker.credentials.flow import Injector
from broker.credentials.oauth2_shared import TokenStore
from broker.tls.engine import ClientTls
from broker.tls.engines import EngineError, client_tls
from broker.tls.identity import IdentityError, identity_files
from broker.upstream.authenticated import AuthenticatedUpstream
from broker.upstream.manner import HoldLimits
from broker.upstream.send import Upstream

LIMITS = HoldLimits(1 << 20, 1 << 30)
"""How much of a body is held on to for another attempt: in memory, and in all."""


@dataclass(frozen=True, slots=True)
class Credentialed:
    """Where a route sends its calls, and which header fields are the credential's."""

    upstream: UpstreamPort
    fields: frozenset[bytes]
    injector: Injector | None = None
    own: Upstream | None = None
    """The upstream over connections that are this route's alone; None where it shares them."""
    shown: tuple[tuple[SecretSource, int], ...] = ()
    """What the client certificate was made of, and in which version."""
    query_fields: frozenset[bytes] = frozenset()
    """Which query parameters are the credential's."""

    @property
    def current(self) -> bool:
        """Whether the client certificate is the one that there is now."""
        return all(source.version == version for source, version in self.shown)


def limits_of(upstream: Upstream) -> HoldLimits:
    """How much of a body may be held back for an upstream."""
    return upstream.hold_limits or replace(LIMITS, budget=upstream.held_bodies)


def with_credentials(
    route: Route,
    upstream: Upstream,
    source: SourceResolver,
    tokens: TokenStore | None = None,
    before: Credentialed | None = None,
) -> Credentialed:
    """The upstream with the route's credentials; raises `SecretUnavailable` or `ValueError` with the reason.

    `before`: what there was for the very same credentials, and goes on.
    """
    credentials = listed(route)
    if before is not None:
        return _again(before, credentials, upstream, tokens, route.name)
    certificates = [each for each in credentials if isinstance(each, ClientCertificateCredentials)]
    if len(certificates) > 1:
        raise ValueError("one client certificate is all that a handshake has room for")
    own: Upstream | None = None
    shown: tuple[tuple[SecretSource, int], ...] = ()
    if certificates:
        shown = tuple((each, each.version) for each in _shown(certificates[0], source))
        own = upstream.variant(_with_identity(upstream, certificates[0], source))
    injector = build_injector(credentials, source, tokens, route.name)
    if injector is not None and injector.bound and own is None:
        own = upstream.variant()
    return _credentialed(upstream, own, injector, shown)


def _credentialed(
    upstream: Upstream, own: Upstream | None, injector: Injector | None, shown: tuple[tuple[SecretSource, int], ...]
) -> Credentialed:
    base = upstream if own is None else own
    if injector is None:
        return Credentialed(base, frozenset(), None, own, shown)
    target = AuthenticatedUpstream(base, injector, limits_of(upstream))
    return Credentialed(target, injector.fields, injector, own, shown, injector.query_fields)


def _again(
    before: Credentialed, credentials: Sequence[Any], upstream: Upstream, tokens: TokenStore | None, route: str
) -> Credentialed:
    for each in credentials:
        if tokens is not None:
            tokens.keep(each.model_dump_json(), route)
    own = None
    if before.own is not None:
        own = copy(upstream)
        own.pools = before.own.pools
        upstream.all_pools += own.pools
    return _credentialed(upstream, own, before.injector, before.shown)


def _shown(credentials: ClientCertificateCredentials, source: SourceResolver) -> list[SecretSource]:
    named = (credentials.certificate, credentials.key, credentials.passphrase)
    return [source(reference) for reference in named if reference is not None]


def listed(route: Route) -> Sequence[Any]:
    """The route's credentials, however many."""
    if route.credentials is None:
        return ()
    return route.credentials if isinstance(route.credentials, list) else (route.credentials,)


def _with_identity(upstream: Upstream, shown: ClientCertificateCredentials, source: SourceResolver) -> ClientTls:
    tls = upstream.pools[0].origin.tls
    if tls is None:
        raise ValueError("a client certificate needs an https:// target")
    certificate = source(shown.certificate).current().reveal()
    key = None if shown.key is None else source(shown.key).current().reveal()
    passphrase = None if shown.passphrase is None else source(shown.passphrase).current().reveal()
    try:
        with identity_files(certificate, key, passphrase) as identity:
            return client_tls(replace(tls.options, identity=identity), tls.name)
    except IdentityError as error:
        raise SecretUnavailable(f"{shown.certificate}: {error}") from None
    except (EngineError, ssl.SSLError) as error:
        raise ValueError(str(error)) from None
