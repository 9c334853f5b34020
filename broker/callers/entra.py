"""Callers that show a bearer token (RFC 6750), of Microsoft Entra ID or another issuer."""

from functools import partial

from broker.callers.jwks import SigningKey
from broker.callers.key_source import KeySource
from broker.callers.token import NotAllowed, TokenDemands, TokenRefused, key_id, verify
from broker.callers.verdict import ADMITTED, Finding, Later, Verdict
from broker.core.errors import BrokerError
from broker.core.exchange import Exchange

_BEARER = 'Bearer realm="broker"'
_ABSENT = Verdict(Finding.ABSENT, (_BEARER,))
_MALFORMED = Verdict(
    Finding.WRONG, (f'{_BEARER}, error="invalid_request"',), "There is more than one Authorization header."
)


class EntraJwtCheck:
    """At once where the key is known, else after a look whether the issuer has new ones."""

    consumed = frozenset({b"authorization"})
    consumed_query: frozenset[bytes] = frozenset()
    guarded: frozenset[bytes] = frozenset()
    cost = 1

    def __init__(self, demands: TokenDemands, keys: KeySource) -> None:
        self._demands = demands
        self._keys = keys

    def judge(self, exchange: Exchange) -> Verdict | Later:
        values = exchange.head.values(b"authorization")
        if len(values) != 1:
            return _MALFORMED if values else _ABSENT
        scheme, _, rest = values[0].strip(b" \t").partition(b" ")
        if scheme.lower() != b"bearer":
            return _ABSENT
        token = rest.strip(b" \t").decode("latin-1")
        try:
            kid, algorithm = key_id(token, self._demands)
        except TokenRefused as refused:
            return invalid(refused)
        key = self._keys.find(kid)
        if key is None and self._keys.may_ask:
            return partial(self._later, token, kid, algorithm)
        return self._verdict(token, key, algorithm)

    async def _later(self, token: str, kid: str, algorithm: str) -> Verdict:
        return self._verdict(token, await self._keys.ask(kid), algorithm)

    def _verdict(self, token: str, key: SigningKey | None, algorithm: str) -> Verdict:
        if key is None:
            if self._keys.empty:
                return Verdict(
                    Finding.UNKNOWN, error=BrokerError("caller_unverifiable", headers=(("Retry-After", "5"),))
                )
            return invalid(TokenRefused("The token is signed with a key that its issuer does not have"))
        try:
            verify(token, key, algorithm, self._demands)
        except TokenRefused as refused:
            return invalid(refused)
        except NotAllowed as refused:
            return Verdict(Finding.FORBIDDEN, (f'{_BEARER}, error="insufficient_scope"',), str(refused))
        return ADMITTED

    def close(self) -> None:
        self._keys.close()


def invalid(refused: TokenRefused) -> Verdict:
    """401 with the reason, for the caller's log (RFC 6750 section 3)."""
    challenge = f'{_BEARER}, error="invalid_token", error_description="{refused}"'
    return Verdict(Finding.WRONG, (challenge,), f"{refused}.")
