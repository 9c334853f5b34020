"""Callers that send a user name and a password (RFC 7617)."""

import binascii
import hmac
from base64 import b64decode

from broker.core.heads import RequestHead


class BasicCheck:
    """Compares in constant time, user name and password in one."""

    challenge = 'Basic realm="broker", charset="UTF-8"'
    consumed = frozenset({b"authorization"})

    def __init__(self, username: bytes, password: bytes) -> None:
        self._pair = username + b":" + password

    def admits(self, head: RequestHead) -> bool:
        """Whether the request proves to come from this caller."""
        values = head.values(b"authorization")
        if len(values) != 1:
            return False
        scheme, _, encoded = values[0].strip(b" \t").partition(b" ")
        if scheme.lower() != b"basic":
            return False
        try:
            pair = b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(pair, self._pair)
