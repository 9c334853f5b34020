"""A look-alike of Azure Key Vault, of Entra ID's token endpoint and of the managed identity of an app service."""

import itertools
from typing import Any
from urllib.parse import parse_qs

from broker.testing.pki import Issued
from broker.testing.secrets.service import Answer, Asked, Service

TENANT = "11111111-2222-3333-4444-555555555555"


class FakeKeyVault(Service):
    """Challenges, as the real one does, whoever comes without a token, and names where tokens are given out."""

    def __init__(self, identity: Issued, resource: str = "https://vault.azure.net") -> None:
        super().__init__(identity)
        self.resource = resource
        self.client_secret = "client-secret-1"
        self.assertion = "federated-token"
        self.identity_header = "identity-header"
        self.secrets: dict[str, list[str]] = {}
        """Versions by name, the newest last."""
        self.forbidden: set[str] = set()
        self.tokens: set[str] = set()
        self._numbers = itertools.count(1)

    @property
    def authority(self) -> str:
        """Where tokens come from."""
        return self.url

    def version(self, name: str, index: int) -> str:
        """What the version of that index is called."""
        return f"{index + 1:032x}"

    def answer(self, asked: Asked) -> Answer:
        """Tokens for proofs, secrets for tokens."""
        if asked.path.endswith("/oauth2/v2.0/token"):
            return self._token(parse_qs(asked.body.decode()))
        if asked.path == "/msi/token":
            given = asked.headers.get("x-identity-header") == self.identity_header
            return self._granted() if given else (401, {"error": "no"}, {})
        if asked.path.startswith("/secrets/"):
            return self._secret(asked)
        return 404, {}, {}

    def _token(self, form: dict[str, list[str]]) -> Answer:
        proofs = (form.get("client_secret", [""])[0], form.get("client_assertion", [""])[0])
        if proofs not in ((self.client_secret, ""), ("", self.assertion)):
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}, {}
        return self._granted()

    def _granted(self) -> Answer:
        token = f"access-token-{next(self._numbers)}"
        self.tokens.add(token)
        found = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "resource": self.resource}
        return 200, found | {"expires_on": "4102444800"}, {}

    def _secret(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{self.resource}"'
            return 401, _error("Unauthorized"), {"WWW-Authenticate": challenge}
        _, _, name, version, *_ = [*asked.path.split("/"), ""]
        if name in self.forbidden:
            return 403, _error("Forbidden"), {}
        versions = self.secrets.get(name, [])
        known = {self.version(name, index): value for index, value in enumerate(versions)}
        if not versions or (version and version not in known):
            return 404, _error("SecretNotFound"), {}
        version = version or list(known)[-1]
        bundle = {"id": f"{self.url}/secrets/{name}/{version}", "attributes": {"enabled": True}}
        return 200, bundle | {"value": known[version]}, {}


def _error(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "in words"}}
