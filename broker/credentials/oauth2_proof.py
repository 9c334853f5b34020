"""How a client proves to a token endpoint who it is: with a secret, or with a signed assertion."""

import time
import uuid
from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote_plus

import jwt

from broker.config.credentials_oauth2 import OAuth2Credentials
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials.oauth2_key import SigningKey, read_key

_ASSERTION: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SHORT: Final = 300
"""Seconds for which an assertion is good: it is used at once, and clocks differ."""


@dataclass(slots=True)
class Proof:
    """What goes into a token request."""

    form: dict[str, str] = field(default_factory=dict, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secrets: Collection[bytes] = field(default=(), repr=False)
    """Never to be repeated in a log."""


class HasKey(Protocol):
    """Settings that name a certificate or a key."""

    @property
    def certificate(self) -> SecretRef | None: ...
    @property
    def key(self) -> SecretRef | None: ...
    @property
    def passphrase(self) -> SecretRef | None: ...


class Prover(Protocol):
    """Makes proofs, each for one request."""

    @property
    def sources(self) -> Sequence[SecretSource]:
        """What they are made of."""

    def prove(self) -> Proof:
        """Raises `SecretUnavailable`."""


class SecretProver:
    """A client secret, in the header or in the form (RFC 6749 section 2.3.1)."""

    def __init__(self, client_id: str, secret: SecretSource, *, basic: bool) -> None:
        self.sources = (secret,)
        self._client_id = client_id
        self._secret = secret
        self._basic = basic

    def prove(self) -> Proof:
        secret = self._secret.current().reveal()
        if not self._basic:
            return Proof({"client_id": self._client_id, "client_secret": _text(secret)}, secrets=[secret])
        # Both are encoded like a form before they are joined, so that a colon is no question.
        pair = f"{quote_plus(self._client_id)}:{quote_plus(secret)}".encode()
        return Proof(headers={"Authorization": "Basic " + b64encode(pair).decode()}, secrets=[secret])


class KeyMaterial:
    """A certificate or key, read anew when one of its references has another value."""

    def __init__(
        self, certificate: SecretSource | None, key: SecretSource | None, passphrase: SecretSource | None
    ) -> None:
        self._parts = (certificate, key, passphrase)
        self.sources = tuple(part for part in self._parts if part is not None)
        self._read: tuple[tuple[int, ...], SigningKey] | None = None

    def current(self) -> SigningKey:
        """The key as it is now; raises `SecretUnavailable`."""
        versions = tuple(source.version for source in self.sources)
        if self._read is None or self._read[0] != versions:
            values = [None if part is None else part.current().reveal() for part in self._parts]
            self._read = versions, read_key(*values)
        return self._read[1]


class AssertionProver:
    """A signed assertion, private_key_jwt (RFC 7523 section 2.2, OpenID Connect Core section 9)."""

    def __init__(self, config: OAuth2Credentials, material: KeyMaterial) -> None:
        self.sources = material.sources
        self._config = config
        self._material = material

    def prove(self) -> Proof:
        config, key = self._config, self._material.current()
        now = int(time.time())
        claims = {
            "iss": config.client_id,
            "sub": config.client_id,
            "aud": config.assertion_audience or config.token_url,
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + _SHORT,
        }
        header = {**key.thumbprints(), **({"kid": config.key_id} if config.key_id is not None else {})}
        signed = jwt.encode(claims, key.private, key.algorithm(config.algorithm), header)
        form = {"client_id": config.client_id, "client_assertion_type": _ASSERTION, "client_assertion": signed}
        return Proof(form, secrets=[signed.encode()])


def prover_of(config: OAuth2Credentials, source: SourceResolver) -> Prover:
    """What proves who the broker is, as configured."""
    if config.client_secret is not None:
        return SecretProver(
            config.client_id, source(config.client_secret), basic=config.method == "client_secret_basic"
        )
    return AssertionProver(config, material_of(config, source))


def material_of(config: HasKey, source: SourceResolver) -> KeyMaterial:
    """The certificate or key that a configuration names."""
    parts = (config.certificate, config.key, config.passphrase)
    certificate, key, passphrase = (None if part is None else source(part) for part in parts)
    return KeyMaterial(certificate, key, passphrase)


async def renewed(sources: Sequence[SecretSource], seen: Sequence[int]) -> bool:
    """Whether any of the secrets has another value than the one that was `seen`; all of them are asked for."""
    changed = [await source.renew(version) for source, version in zip(sources, seen, strict=True)]
    return any(changed)


def _text(secret: bytes) -> str:
    try:
        return secret.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable("the client secret is no UTF-8") from None
