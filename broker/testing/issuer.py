"""An issuer of tokens that looks like Microsoft Entra ID: OpenID discovery, a set of keys that rolls over, tokens."""

import time
from typing import Any, Self

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
APP = "0a8f1f4e-6e1b-4a3c-9a51-0e7b8f2d6c11"
AUDIENCE = "5c1e7b9a-2d44-4b0f-8c37-91f0f2a1b3d4"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Issuer:
    """Serves one tenant on loopback; use it with `async with`. `requests` are the paths that were asked for."""

    def __init__(self, tenant: str = TENANT) -> None:
        self.tenant = tenant
        self.keys: dict[str, Key] = {"first": rsa_key()}
        self.port = 0
        self.down = False
        self.requests: list[str] = []
        self.configuration: dict[str, Any] = {}
        self._runner: web.AppRunner | None = None

    @property
    def authority(self) -> str:
        """What stands in for https://login.microsoftonline.com."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def v1(self) -> str:
        """The issuer of tokens of version 1.0."""
        return f"https://sts.windows.net/{self.tenant}/"

    @property
    def v2(self) -> str:
        """The issuer of tokens of version 2.0."""
        return f"https://login.microsoftonline.com/{self.tenant}/v2.0"

    async def __aenter__(self) -> Self:
        """Listen on a free port, or on the one used before."""
        application = web.Application()
        application.router.add_get("/{tail:.*}", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        if self.down:
            raise web.HTTPServiceUnavailable
        if request.path == f"/{self.tenant}/v2.0/.well-known/openid-configuration":
            return web.json_response(
                {"issuer": self.v2, "jwks_uri": f"{self.authority}/keys"} | self.configuration,
            )
        if request.path == "/keys":
            return web.json_response({"keys": [public(kid, key) for kid, key in self.keys.items()]})
        raise web.HTTPNotFound

    def roll_over(self, kid: str) -> None:
        """From now on another key signs."""
        self.keys = {kid: rsa_key()}

    def token(
        self, kid: str = "", *, algorithm: str = "RS256", key: Any = None, version: int = 2, **claims: Any
    ) -> str:
        """A token as an application gets it for itself; a claim that is given as None is left out."""
        kid = kid or next(iter(self.keys))
        now = int(time.time())
        usual: dict[str, Any] = {"iat": now, "nbf": now, "exp": now + 3600, "tid": self.tenant, "idtyp": "app"}
        if version == 1:
            usual |= {"iss": self.v1, "aud": f"api://{AUDIENCE}", "appid": APP, "ver": "1.0"}
        else:
            usual |= {"iss": self.v2, "aud": AUDIENCE, "azp": APP, "ver": "2.0"}
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(said, key or self.keys[kid], algorithm, headers={"kid": kid})


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new key for RS256 and PS256."""
    return rsa.generate_private_key(65537, bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def public(kid: str, key: Key) -> dict[str, Any]:
    """A key as a JWK set has it."""
    if isinstance(key, rsa.RSAPrivateKey):
        found = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        found = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**found, "kid": kid, "use": "sig"}
