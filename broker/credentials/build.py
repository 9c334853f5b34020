"""From configured credentials to what brings them in, chosen by `type`."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from broker.config.callers import Username
from broker.config.model import (
    ApiKeyCredentials,
    BasicCredentials,
    BearerCredentials,
    DigestCredentials,
    EntraCredentials,
    FormLoginCredentials,
    HeaderCredentials,
    NegotiateCredentials,
    NtlmCredentials,
    OAuth2Credentials,
    WsseCredentials,
)
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials import static
from broker.credentials.combined import Combined
from broker.credentials.digest import DigestInjector
from broker.credentials.flow import Injector
from broker.credentials.form_login_build import form_login
from broker.credentials.oauth2_shared import Make, PrimedIssuer, TokenStore, token_injector
from broker.credentials.wsse import WsseInjector
from broker.credentials.wsse_token import Manner, SecurityWriter

Provide = Callable[[], bytes]
Renew = Callable[[], Awaitable[bool]]


def build_injector(
    credentials: Sequence[Any], source: SourceResolver, tokens: TokenStore | None = None, route: str = ""
) -> Injector | None:
    """What brings in all credentials of a route; None where there is nothing to bring into requests.

    `tokens`: where routes share tokens; None where nothing is ever sent.

    Raises `SecretUnavailable` when a secret can never be had, `ValueError` when they cannot be combined.
    """
    injectors = [_MAKERS[type(each)](each, source) for each in credentials if type(each) in _MAKERS]
    injectors += [
        token_injector(each, source, _ISSUERS[type(each)], tokens, route)
        for each in credentials
        if type(each) in _ISSUERS
    ]
    constant = [one for one in injectors if isinstance(one, static.StaticInjector)]
    for one in constant:
        one.prime()
    conversing = [one for one in injectors if not isinstance(one, static.StaticInjector)]
    if len(conversing) > 1:
        names = " and ".join(one.type for one in conversing)
        raise ValueError(f"{names} cannot be combined: each of them answers the upstream's challenges")
    if len(injectors) < 2:
        return injectors[0] if injectors else None
    named = [field for one in injectors for field in one.fields]
    twice = sorted({field.decode() for field in named if named.count(field) > 1})
    if twice:
        raise ValueError(f"more than one of them sets the header {', '.join(twice)}")
    last = conversing[0] if conversing else constant.pop()
    return Combined(constant, last)


def user_name(name: Username, source: SourceResolver) -> tuple[Provide, list[SecretSource]]:
    """What gives the user name, and its source where it is a secret."""
    if not isinstance(name, SecretRef):
        plain = name.encode()
        return (lambda: plain), []
    found = source(name)
    return (lambda: found.current().reveal()), [found]


def _basic(credentials: BasicCredentials, source: SourceResolver) -> Injector:
    name, sources = user_name(credentials.username, source)
    password = source(credentials.password)

    def checked() -> bytes:
        value = name()
        if b":" in value:
            raise SecretUnavailable(f"{credentials.username}: a user name holds no colon (RFC 7617)")
        return value

    return static.basic(checked, password, [*sources, password])


def _bearer(credentials: BearerCredentials, source: SourceResolver) -> Injector:
    return static.bearer(source(credentials.token), str(credentials.token))


def _api_key(credentials: ApiKeyCredentials, source: SourceResolver) -> Injector:
    key = source(credentials.key)
    if credentials.query is not None:
        return static.key_in_query(credentials.query, key)
    if credentials.cookie is not None:
        return static.key_in_cookie(credentials.cookie, key, str(credentials.key))
    return static.key_in_header(credentials.header or "X-Api-Key", key, str(credentials.key))


def _headers(credentials: HeaderCredentials, source: SourceResolver) -> Injector:
    return static.headers(
        [(name, source(reference), str(reference)) for name, reference in credentials.headers.items()]
    )


def _digest(credentials: DigestCredentials, source: SourceResolver) -> Injector:
    name, password, renew = _login(credentials, source)
    return DigestInjector(name, password, renew, auth_int=credentials.auth_int)


def _ntlm(credentials: NtlmCredentials, source: SourceResolver) -> Injector:
    # Loading it takes a tenth of a second, which a start without it need not spend.
    from broker.credentials.ntlm import NtlmInjector

    return NtlmInjector(
        *_login(credentials, source),
        domain=credentials.domain or "",
        workstation=credentials.workstation or "",
        channel_binding=credentials.channel_binding == "auto",
    )


def _negotiate(credentials: NegotiateCredentials, source: SourceResolver) -> Injector:
    from broker.credentials.negotiate import NegotiateInjector

    return NegotiateInjector(
        *_login(credentials, source),
        domain=credentials.domain or "",
        workstation=credentials.workstation or "",
        channel_binding=credentials.channel_binding == "auto",
        spn=credentials.spn or "",
    )


def _login(
    credentials: DigestCredentials | NtlmCredentials | NegotiateCredentials, source: SourceResolver
) -> tuple[Provide, Provide, Renew]:
    """What gives the user name and the password of now, and what looks for newer ones."""
    name, sources = user_name(credentials.username, source)
    password = source(credentials.password)

    async def renew() -> bool:
        return any([await each.renew() for each in (*sources, password)])

    return name, lambda: password.current().reveal(), renew


def _wsse(credentials: WsseCredentials, source: SourceResolver) -> Injector:
    name, sources = user_name(credentials.username, source)
    password = source(credentials.password)
    manner = Manner(
        digest=credentials.password_type == "digest",  # noqa: S105  a word, not a password
        timestamp=credentials.timestamp,
        ttl=credentials.ttl,
        must_understand=credentials.must_understand,
        actor=credentials.actor or credentials.role or "",
        role=credentials.role or credentials.actor or "",
    )
    writer = SecurityWriter(name, password, manner)
    return WsseInjector(writer, [*sources, password], keep=credentials.existing == "keep")


_MAKERS: Final[dict[type, Callable[[Any, SourceResolver], Injector]]] = {
    BasicCredentials: _basic,
    BearerCredentials: _bearer,
    ApiKeyCredentials: _api_key,
    HeaderCredentials: _headers,
    DigestCredentials: _digest,
    NtlmCredentials: _ntlm,
    NegotiateCredentials: _negotiate,
    WsseCredentials: _wsse,
    FormLoginCredentials: form_login,
}
"""Add a kind of credentials: name its class and its maker here."""


def _oauth2(credentials: OAuth2Credentials, source: SourceResolver) -> PrimedIssuer:
    from broker.credentials.oauth2 import OAuth2Issuer

    return OAuth2Issuer(credentials, source)


def _entra(credentials: EntraCredentials, source: SourceResolver) -> PrimedIssuer:
    from broker.credentials.entra import EntraIssuer

    return EntraIssuer(credentials, source)


_ISSUERS: Final[dict[type, Make]] = {OAuth2Credentials: _oauth2, EntraCredentials: _entra}
"""Kinds of credentials whose tokens are had from somewhere, and shared."""
