"""From a route's credentials to the upstream that its calls are sent to."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from broker.config.model import ClientCertificateCredentials, Route
from broker.core.plan import UpstreamPort
from broker.core.ports import SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials.build import build_injector
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


def with_credentials(
    route: Route, upstream: Upstream, source: SourceResolver, tokens: TokenStore | None = None
) -> Credentialed:
    """The upstream with the route's credentials; raises `SecretUnavailable` or `ValueError` with the reason."""
    credentials = listed(route)
    certificates = [each for each in credentials if isinstance(each, ClientCertificateCredentials)]
    if len(certificates) > 1:
        raise ValueError("one client certificate is all that a handshake has room for")
    if certificates:
        upstream = upstream.variant(_with_identity(upstream, certificates[0], source))
    injector = build_injector(credentials, source, tokens, route.name)
    if injector is None:
        return Credentialed(upstream, frozenset())
    if injector.bound and not certificates:
        upstream = upstream.variant()
    limits = upstream.hold_limits or LIMITS
    return Credentialed(AuthenticatedUpstream(upstream, injector, limits), injector.fields)


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
