"""Tokens of an OAuth 2.0 server: the client credentials grant (RFC 6749 section 4.4)."""

from collections.abc import Mapping, Sequence

from broker.config.credentials_oauth2 import OAuth2Credentials
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretSource, SourceResolver
from broker.core.secret import SecretUnavailable
from broker.credentials.oauth2_answer import ClientRejected, read_grant
from broker.credentials.oauth2_endpoint import TokenEndpoint
from broker.credentials.oauth2_proof import Prover, prover_of, renewed
from broker.credentials.tokens import Grant


class OAuth2Issuer:
    """Asks a token endpoint; an `Issuer`."""

    type = "oauth2"

    def __init__(self, config: OAuth2Credentials, source: SourceResolver) -> None:
        """Raises `SecretUnavailable` or `ValueError` when it can never work."""
        self._endpoint = TokenEndpoint(config.token_url, config.ca, config.proxy, config.timeout)
        self.name = self._endpoint.where
        self._prover: Prover = prover_of(config, source)
        self._lifetime = config.lifetime
        self._plain, self._secret = _parameters(config, source)
        self.sources: Sequence[SecretSource] = [*self._prover.sources, *self._secret.values()]

    def prime(self) -> None:
        """Look at what the proof is made of; raises `SecretUnavailable` when that is not fit for it."""
        self._prover.prove()

    async def grant(self, *, fresh: bool) -> Grant:
        """See `Issuer.grant`: a client that is rejected looks for a new secret, once."""
        seen = [source.version for source in self.sources]
        try:
            return await self._ask()
        except ClientRejected:
            if not await renewed(self.sources, seen):
                raise
        return await self._ask()

    async def close(self) -> None:
        """Nothing is kept between requests."""

    async def _ask(self) -> Grant:
        proof = self._prover.prove()
        secret = {name: source.current().reveal() for name, source in self._secret.items()}
        form = {**self._plain, **{name: _text(value) for name, value in secret.items()}, **proof.form}
        answer = await self._endpoint.ask(form, proof.headers)
        return read_grant(self.name, answer, self._lifetime, [*proof.secrets, *secret.values()])


def _parameters(
    config: OAuth2Credentials, source: SourceResolver
) -> tuple[Mapping[str, str], Mapping[str, SecretSource]]:
    """Those in plain text, and those that are secrets."""
    named = {"scope": config.scope, "resource": config.resource, "audience": config.audience}
    plain = {"grant_type": "client_credentials", **{name: value for name, value in named.items() if value is not None}}
    secret: dict[str, SecretSource] = {}
    for name, value in config.parameters.items():
        if isinstance(value, SecretRef):
            secret[name] = source(value)
        else:
            plain[name] = value
    return plain, secret


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise SecretUnavailable("a parameter of the token request is no UTF-8") from None
