"""What a token must say, and whether one says it (RFC 7519, RFC 8725)."""

from dataclasses import dataclass
from typing import Any, Final

import jwt
from jwt import exceptions

from broker.callers.jwks import SigningKey

MOST: Final = 32 * 1024
"""Bytes of a token; the listener's limit on the head is usually reached before."""

_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.ExpiredSignatureError, "The token has expired"),
    (exceptions.ImmatureSignatureError, "The token is not valid yet"),
    (exceptions.InvalidAudienceError, "The token is for another audience"),
    (exceptions.InvalidIssuerError, "The token comes from another issuer"),
    (exceptions.InvalidAlgorithmError, "The token is signed with an algorithm that is not accepted"),
    (exceptions.InvalidSignatureError, "The signature of the token does not fit"),
)

_MALFORMED: Final = (exceptions.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)
"""What parsing raises: JSON may be nested deeper than Python follows, and times larger than a clock goes."""


class TokenRefused(Exception):
    """Why a token is not good; the text holds nothing of it, and no quotes."""


class NotAllowed(Exception):
    """The token is good, and not enough."""


@dataclass(frozen=True, slots=True)
class TokenDemands:
    """What must hold for a token."""

    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float
    tenant: str | None = None
    app_ids: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


def key_id(token: str, demands: TokenDemands) -> tuple[str, str]:
    """(kid, algorithm) that the token claims, before anything is believed; raises `TokenRefused`.

    Here ends what no key could make good, so that nobody is asked for keys because of it.
    """
    if len(token) > MOST:
        raise TokenRefused("The token is too long")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except _MALFORMED:
        raise TokenRefused("The token is malformed") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in demands.algorithms:
        raise TokenRefused("The token is signed with an algorithm that is not accepted")
    if "crit" in header:
        raise TokenRefused("The token has extensions that are not understood")
    if not isinstance(kid, str) or not kid:
        raise TokenRefused("The token does not name its key")
    if claims.get("iss") not in demands.issuers:
        raise TokenRefused("The token comes from another issuer")
    return kid, algorithm


def verify(token: str, key: SigningKey, algorithm: str, demands: TokenDemands) -> None:
    """Raises `TokenRefused`, or `NotAllowed` where the token is good and its owner may not call."""
    if not key.fits(algorithm):
        raise TokenRefused("The token is signed with an algorithm that its key is not for")
    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=list(demands.audiences),
            issuer=list(demands.issuers),
            leeway=demands.leeway,
            options={"require": ["exp", "iss", "aud"]},
        )
    except _MALFORMED as error:
        reason = next((text for kind, text in _REASONS if isinstance(error, kind)), "The token is malformed")
        raise TokenRefused(reason) from None
    if demands.tenant is not None and claims.get("tid", demands.tenant) != demands.tenant:
        raise TokenRefused("The token comes from another tenant")
    _allowed(claims, demands)


def _allowed(claims: dict[str, Any], demands: TokenDemands) -> None:
    if demands.app_ids and _application(claims) not in demands.app_ids:
        raise NotAllowed("The application that asked for the token may not call.")
    roles = claims.get("roles")
    granted = {role for role in roles if isinstance(role, str)} if isinstance(roles, list) else set()
    missing = demands.roles - granted
    if missing:
        raise NotAllowed("The token does not have the roles that it needs.")


def _application(claims: dict[str, Any]) -> str:
    """Who asked for the token: `appid` in tokens of version 1.0, `azp` in those of 2.0; where both are, they agree."""
    named = {str(claims[name]).lower() for name in ("appid", "azp") if name in claims}
    return named.pop() if len(named) == 1 else ""
