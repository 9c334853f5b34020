"""Credentials that are the same in every request until their secret is rotated: Basic, bearer, keys, headers."""

from base64 import b64encode
from collections.abc import Callable, Sequence
from urllib.parse import quote

from broker.core.message import Line
from broker.core.ports import SecretSource
from broker.core.secret import SecretUnavailable
from broker.credentials.flow import MASK, Await, Call, Flow, Send, Transform

Make = Callable[[], Send]


class StaticInjector:
    """Sends what `make` makes of the secrets; made anew only when one of them has changed."""

    bound = False
    holds_body = False
    hashes_body = False
    transform: Transform | None = None

    def __init__(
        self,
        kind: str,
        make: Make,
        sources: Sequence[SecretSource],
        fields: frozenset[bytes],
        preview: Sequence[Line],
        query_fields: frozenset[bytes] = frozenset(),
    ) -> None:
        self.type = kind
        self.fields = fields
        self.query_fields = query_fields
        self.preview = tuple(preview)
        self._make = make
        self._sources = sources
        self._made: tuple[tuple[int, ...], Send] | None = None

    def prime(self) -> None:
        """Make it once, where every secret is known; raises `SecretUnavailable` when one cannot be used."""
        if all(source.version for source in self._sources):
            self._send()

    def _send(self) -> Send:
        versions = tuple(source.version for source in self._sources)
        if self._made is None or self._made[0] != versions:
            self._made = versions, self._make()
        return self._made[1]

    async def _renew(self) -> bool:
        """Whether any of the secrets has another value by now."""
        used = self._made[0] if self._made is not None else ()
        changed = [await source.renew(seen) for source, seen in zip(self._sources, used, strict=False)]
        return any(changed)

    def flow(self, call: Call) -> Flow:
        """See `Injector.flow`: after a 401, the rotated value is tried once."""
        sent = self._send()
        yield sent
        if not call.repeatable:
            return
        yield Await(self._renew)
        again = self._send()
        if again is not sent:
            yield again


def basic(name: Callable[[], bytes], password: SecretSource, sources: Sequence[SecretSource]) -> StaticInjector:
    """`Authorization: Basic …` (RFC 7617, UTF-8)."""

    def make() -> Send:
        pair = name() + b":" + password.current().reveal()
        return Send(((b"Authorization", b"Basic " + b64encode(pair)),))

    return StaticInjector("basic", make, sources, frozenset({b"authorization"}), [(b"Authorization", b"Basic " + MASK)])


def bearer(token: SecretSource, named: str) -> StaticInjector:
    """`Authorization: Bearer …` (RFC 6750 section 2.1)."""
    return StaticInjector(
        "bearer",
        lambda: Send(((b"Authorization", b"Bearer " + line_safe(token, named)),)),
        [token],
        frozenset({b"authorization"}),
        [(b"Authorization", b"Bearer " + MASK)],
    )


def key_in_header(header: str, key: SecretSource, named: str) -> StaticInjector:
    """The key in its header."""
    name = header.encode()
    return StaticInjector(
        "api_key", lambda: Send(((name, line_safe(key, named)),)), [key], frozenset({name.lower()}), [(name, MASK)]
    )


def key_in_query(parameter: str, key: SecretSource) -> StaticInjector:
    """The key in the query, percent-encoded."""

    def make() -> Send:
        return Send(query=f"{quote(parameter, safe='')}={quote(key.current().reveal(), safe='')}".encode())

    return StaticInjector("api_key", make, [key], frozenset(), [], frozenset({parameter.encode()}))


def key_in_cookie(name: str, key: SecretSource, named: str) -> StaticInjector:
    """The key in a cookie, beside the caller's."""

    def make() -> Send:
        value = line_safe(key, named)
        if any(byte in b' ",;\\' for byte in value):
            raise SecretUnavailable(
                f"{named}: a cookie's value holds no blanks, quotes, commas, semicolons and backslashes"
            )
        return Send(cookie=name.encode() + b"=" + value)

    return StaticInjector("api_key", make, [key], frozenset(), [(b"Cookie", name.encode() + b"=" + MASK)])


def headers(values: Sequence[tuple[str, SecretSource, str]]) -> StaticInjector:
    """Several headers, each with its secret."""
    return StaticInjector(
        "headers",
        lambda: Send(tuple((name.encode(), line_safe(source, named)) for name, source, named in values)),
        [source for _, source, _ in values],
        frozenset(name.lower().encode() for name, _, _ in values),
        [(name.encode(), MASK) for name, _, _ in values],
    )


def line_safe(source: SecretSource, named: str) -> bytes:
    """A secret that becomes a header value: a line end in it would be a header of its own. `named`: its reference."""
    value = source.current().reveal()
    if any(byte < 32 or byte == 127 for byte in value):
        raise SecretUnavailable(f"{named}: a header value holds no line ends and no control characters")
    return value
