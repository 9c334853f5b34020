"""Callers that send a key in a header."""

import hmac

from broker.core.heads import RequestHead


class ApiKeyCheck:
    """Compares in constant time; a header that comes twice proves nothing."""

    def __init__(self, header: str, key: bytes) -> None:
        self._header = header.lower().encode()
        self._key = key
        self.challenge = f'ApiKey realm="broker", header="{header}"'
        """For `WWW-Authenticate` (RFC 9110 section 11.6.1)."""
        self.consumed = frozenset({self._header})
        """Names of the fields that are hop 1's alone."""

    def admits(self, head: RequestHead) -> bool:
        """Whether the request proves to come from this caller."""
        values = head.values(self._header)
        return len(values) == 1 and hmac.compare_digest(values[0].strip(b" \t"), self._key)
