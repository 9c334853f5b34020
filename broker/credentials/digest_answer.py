"""The answer to a Digest challenge: `Authorization: Digest …` (RFC 7616 section 3.4, RFC 2069 section 2.1.2)."""

from dataclasses import dataclass, field
from urllib.parse import quote

from broker.credentials.digest_challenge import AUTH_INT, Challenge, printable
from broker.credentials.flow import Call, CredentialUnavailable


@dataclass(frozen=True, slots=True)
class Who:
    """A user name and its password, in UTF-8."""

    name: bytes = field(repr=False)
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is different in each answer to one challenge."""

    nonce: bytes
    count: int
    """How many requests carried this nonce, with this one."""
    cnonce: bytes
    first: tuple[bytes, bytes]
    """Nonce and cnonce of the session's first answer, which `-sess` algorithms stay with."""


def answer(challenge: Challenge, turn: Turn, who: Who, call: Call) -> bytes:
    """The value of `Authorization`; raises `CredentialUnavailable`."""
    name, password = _encoded(who.name, challenge), _encoded(who.password, challenge)
    if not printable(name):
        raise CredentialUnavailable("the user name holds control characters")
    parts = [
        *_username(name, challenge),
        b'realm="' + _quoted(challenge.realm) + b'"',
        b'nonce="' + _quoted(turn.nonce) + b'"',
        b'uri="' + _quoted(call.target) + b'"',
        b'response="' + _response(challenge, turn, (name, password), call) + b'"',
    ]
    if challenge.algorithm:
        parts.append(b"algorithm=" + challenge.algorithm)
    if challenge.qop:
        parts += [b"qop=" + challenge.qop, b"nc=%08x" % turn.count]
    if challenge.qop or challenge.session:
        parts.append(b'cnonce="' + turn.cnonce + b'"')
    if challenge.opaque is not None:
        parts.append(b'opaque="' + _quoted(challenge.opaque) + b'"')
    return b"Digest " + b", ".join(parts)


def _response(challenge: Challenge, turn: Turn, pair: tuple[bytes, bytes], call: Call) -> bytes:
    hashed = challenge.hash
    key = hashed(b":".join((pair[0], challenge.realm, pair[1])))
    if challenge.session:
        key = hashed(b":".join((key, *turn.first)))
    parts = [call.method, call.target]
    if challenge.qop == AUTH_INT:
        parts.append(hashed(_body(call)))
    request = hashed(b":".join(parts))
    if not challenge.qop:
        return hashed(b":".join((key, turn.nonce, request)))
    return hashed(b":".join((key, turn.nonce, b"%08x" % turn.count, turn.cnonce, challenge.qop, request)))


def _body(call: Call) -> bytes:
    if call.body is not None:
        return call.body
    if not call.has_body:
        return b""
    raise CredentialUnavailable(
        "the upstream takes Digest with qop=auth-int only, which needs all of the body before it is sent: "
        "set `auth_int: true`; if it is set, the body is larger than is kept"
    )


def _username(name: bytes, challenge: Challenge) -> list[bytes]:
    if challenge.userhash:
        return [b'username="' + challenge.hash(name + b":" + challenge.realm) + b'"', b"userhash=true"]
    if challenge.utf8 and not name.isascii():
        # RFC 7616 section 3.4 with RFC 5987.
        return [b"username*=UTF-8''" + quote(name, safe="").encode()]
    return [b'username="' + _quoted(name) + b'"']


def _encoded(value: bytes, challenge: Challenge) -> bytes:
    """Servers which do not say UTF-8 are of an age that means ISO-8859-1, where that has the characters."""
    if challenge.utf8 or value.isascii():
        return value
    try:
        return value.decode().encode("latin-1")
    except UnicodeError:
        return value


def _quoted(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
