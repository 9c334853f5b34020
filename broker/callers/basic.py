"""Callers that send a user name and a password (RFC 7617)."""

import binascii
import hmac
from base64 import b64decode

from broker.callers.secrets import Held, current
from broker.callers.verdict import ADMITTED, Finding, Verdict
from broker.core.exchange import Exchange

_CHALLENGE = ('Basic realm="broker", charset="UTF-8"',)
_ABSENT = Verdict(Finding.ABSENT, _CHALLENGE)
_WRONG = Verdict(Finding.WRONG, _CHALLENGE)


class BasicCheck:
    """Compares in constant time, user name and password in one."""

    consumed = frozenset({b"authorization"})
    consumed_query: frozenset[bytes] = frozenset()
    guarded: frozenset[bytes] = frozenset()
    cost = 0

    def __init__(self, username: Held, password: Held) -> None:
        self._username = username
        self._password = password

    def judge(self, exchange: Exchange) -> Verdict:
        values = exchange.head.values(b"authorization")
        if len(values) != 1:
            return _WRONG if values else _ABSENT
        scheme, _, encoded = values[0].strip(b" \t").partition(b" ")
        if scheme.lower() != b"basic":
            return _ABSENT
        try:
            pair = b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return _WRONG
        known = current(self._username) + b":" + current(self._password)
        return ADMITTED if hmac.compare_digest(pair, known) else _WRONG

    def close(self) -> None:
        """Nothing goes on."""
