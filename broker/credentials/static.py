"""Credentials that are the same in every request: one header line."""

from base64 import b64encode

from broker.config.model import ApiKeyCredentials, BasicCredentials, BearerCredentials
from broker.config.secret_ref import SecretRef
from broker.core.message import Line
from broker.core.ports import SecretResolver
from broker.core.secret import SecretUnavailable


def basic(credentials: BasicCredentials, resolve: SecretResolver) -> Line:
    """`Authorization: Basic …` (RFC 7617, UTF-8)."""
    username = credentials.username
    name = resolve(username).reveal() if isinstance(username, SecretRef) else username.encode()
    if b":" in name:
        raise SecretUnavailable(f"{username}: a user name holds no colon (RFC 7617)")
    pair = name + b":" + resolve(credentials.password).reveal()
    return b"Authorization", b"Basic " + b64encode(pair)


def bearer(credentials: BearerCredentials, resolve: SecretResolver) -> Line:
    """`Authorization: Bearer …` (RFC 6750 section 2.1)."""
    return b"Authorization", b"Bearer " + _line_safe(credentials.token, resolve)


def api_key(credentials: ApiKeyCredentials, resolve: SecretResolver) -> Line:
    """The key in its header."""
    return credentials.header.encode(), _line_safe(credentials.key, resolve)


def _line_safe(reference: SecretRef, resolve: SecretResolver) -> bytes:
    """A secret that becomes a header value: a line end in it would be a header of its own."""
    value = resolve(reference).reveal()
    if any(byte < 32 or byte == 127 for byte in value):
        raise SecretUnavailable(f"{reference}: a header value holds no line ends and no control characters")
    return value
