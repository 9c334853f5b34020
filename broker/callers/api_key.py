"""Callers that send a key in a header, or in the query."""

import hmac
from collections.abc import Sequence

from broker.callers.secrets import Held, current
from broker.callers.verdict import ADMITTED, Finding, Verdict
from broker.core.exchange import Exchange
from broker.core.query import parameter_values
from broker.core.secret import SecretUnavailable


class _KeyCheck:
    """Compares in constant time with each of the keys; a key that comes twice proves nothing."""

    consumed: frozenset[bytes] = frozenset()
    consumed_query: frozenset[bytes] = frozenset()
    guarded: frozenset[bytes] = frozenset()
    cost = 0

    def __init__(self, keys: Sequence[Held], challenge: str) -> None:
        self._keys = tuple(keys)
        self._absent = Verdict(Finding.ABSENT, (challenge,))
        self._wrong = Verdict(Finding.WRONG, (challenge,))

    def _judge(self, values: list[bytes]) -> Verdict:
        if not values:
            return self._absent
        matches, missing = 0, None
        for key in self._keys:
            # No early end: the time must not tell which key it was.
            try:
                matches |= hmac.compare_digest(values[0], current(key))
            except SecretUnavailable as unavailable:
                missing = unavailable
        if matches and len(values) == 1:
            return ADMITTED
        if missing is not None:
            raise missing
        return self._wrong

    def close(self) -> None:
        """Nothing goes on."""


class ApiKeyCheck(_KeyCheck):
    """A key in a header."""

    def __init__(self, header: str, keys: Sequence[Held]) -> None:
        super().__init__(keys, f'ApiKey realm="broker", header="{header}"')
        self._header = header.lower().encode()
        self.consumed = frozenset({self._header})

    def judge(self, exchange: Exchange) -> Verdict:
        return self._judge([value.strip(b" \t") for value in exchange.head.values(self._header)])


class QueryKeyCheck(_KeyCheck):
    """A key in the query, for callers that cannot send a header."""

    def __init__(self, parameter: str, keys: Sequence[Held]) -> None:
        super().__init__(keys, f'ApiKey realm="broker", query="{parameter}"')
        self._parameter = parameter.encode()
        self.consumed_query = frozenset({self._parameter})

    def judge(self, exchange: Exchange) -> Verdict:
        return self._judge(parameter_values(exchange.head.target, self._parameter))
