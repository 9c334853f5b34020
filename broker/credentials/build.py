"""From configured credentials to what brings them in, chosen by `type`."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from broker.config.callers import Username
from broker.config.model import (
    ApiKeyCredentials,
    BasicCredentials,
    BearerCredentials,
    EntraCredentials,
    FormLoginCredentials,
    HeaderCredentials,
    OAuth2Credentials,
    WsseCredentials,
)
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials import static
from broker.credentials.combined import Combined
from broker.credentials.entra import EntraIssuer
from broker.credentials.flow import Injector
from broker.credentials.form_login_build import form_login
from broker.credentials.oauth2 import OAuth2Issuer
from broker.credentials.oauth2_shared import Make, TokenStore, token_injector
from broker.credentials.wsse import WsseInjector
from broker.credentials.wsse_token import Manner, SecurityWriter

Provide = Callable[[], bytes]


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
    WsseCredentials: _wsse,
    FormLoginCredentials: form_login,
}
"""Add a kind of credentials: name its class and its maker here."""

_ISSUERS: Final[dict[type, Make]] = {OAuth2Credentials: OAuth2Issuer, EntraCredentials: EntraIssuer}
"""Kinds of credentials whose tokens are had from somewhere, and shared."""
